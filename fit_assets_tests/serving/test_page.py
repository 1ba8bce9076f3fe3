"""The page, in a real browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fit_assets.serving.feedback import load_feedback
from fit_assets.serving.query_log import read_log
from fit_assets_tests.serving.running import Running, running_service

pytest.importorskip("selenium", reason="needs the package selenium: pip install -e '.[dev]'")
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as ChromeDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

WAIT_SECONDS = 60
BERKSHIRE = "wind sites over 100kw in berkshire"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--window-size=1100,1500",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(flag)
    started = webdriver.Chrome(options=options, service=ChromeDriver(driver))
    started.set_page_load_timeout(WAIT_SECONDS * 3)
    started.set_script_timeout(WAIT_SECONDS)
    yield started
    started.quit()


@pytest.fixture
def service(browser: webdriver.Chrome, served_var: Path) -> Iterator[Running]:
    with running_service(served_var) as running:
        yield running
        problems = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        # A refusal that the page shows is in the console too.
        assert [entry for entry in problems if "status of 4" not in entry["message"]] == []


class Page:
    """The page as a person uses it."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser = browser
        self.turns = 0
        browser.get(url)
        self.until(lambda: browser.execute_script("return document.body.dataset.ready") == "yes")

    def until(self, condition: Callable[[], Any]) -> None:
        WebDriverWait(self.browser, WAIT_SECONDS).until(lambda _: condition())

    def find(self, selector: str) -> Any:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return str(self.find(selector).text)

    def ask(self, question: str) -> None:
        box = self.find("#question")
        box.clear()
        box.send_keys(question, Keys.ENTER)
        self.settled()

    def settled(self) -> None:
        """Wait until the page is through with one more turn: its answer, or why there is none, is shown."""
        self.turns += 1
        script = "return document.body.dataset.settled"
        self.until(lambda: self.browser.execute_script(script) == str(self.turns))

    def chips(self) -> list[str]:
        return [chip.text for chip in self.browser.find_elements(By.CSS_SELECTOR, ".chip .edit")]

    def fit_ids(self) -> list[str]:
        return [cell.text for cell in self.browser.find_elements(By.CSS_SELECTOR, "#rows tbody td:first-child")]


def test_a_newcomer_asks_edits_and_corrects(browser: webdriver.Chrome, service: Running) -> None:
    page = Page(browser, service.url)
    page.ask(BERKSHIRE)
    assert page.chips() == ["Technology: Wind", "At least: 100 kW", "Place: Berkshire (RG, SL)"]
    assert page.fit_ids() == ["4004"]
    assert "1 installation" in page.text("#sentence")
    assert "RG17" in page.text("#map-caption")

    page.find('[data-key="location"] .remove').click()
    page.settled()
    assert page.chips() == ["Technology: Wind", "At least: 100 kW"]
    assert sorted(page.fit_ids()) == ["1585", "4004"]
    assert "Installations by region" in page.text("#bars-caption")

    page.find('[data-key="capacity_min_kw"] .edit').click()
    control = page.find('[data-key="capacity_min_kw"] input')
    control.clear()
    control.send_keys("400", Keys.ENTER)
    page.settled()
    assert page.fit_ids() == ["4004"]

    page.find('[data-key="technology"] .edit').click()
    Select(page.find('[data-key="technology"] select')).select_by_value("Hydro")
    page.find('[data-key="technology"] form button').click()
    page.settled()
    assert page.chips() == ["Technology: Hydro", "At least: 400 kW"]
    assert page.fit_ids() == []

    Select(page.find(".add select")).select_by_value("capacity_max_kw")
    page.find(".add input").send_keys("5", Keys.ENTER)
    page.settled()
    assert "swap them" in page.text("#problem")
    assert page.chips() == ["Technology: Hydro", "At least: 400 kW"]

    page.find('[data-verdict="wrong"]').click()
    page.until(lambda: "until they are right" in page.text("#thanks"))
    page.find("#correct").click()
    page.until(lambda: "next training" in page.text("#thanks") and not page.find("#correct").is_displayed())
    [correction] = load_feedback().items
    assert correction.question == BERKSHIRE
    assert correction.filters.to_dict() == {"capacity_min_kw": 400, "technology": "Hydro"}

    page.ask("hydro in Devon")
    assert page.fit_ids() == ["7001"]
    page.find('[data-verdict="right"]').click()
    page.until(lambda: page.find('[data-verdict="right"]').get_attribute("aria-pressed") == "true")
    page.find('[data-helpful="true"]').click()
    page.until(lambda: page.find('[data-helpful="true"]').get_attribute("aria-pressed") == "true")
    reactions = [json.loads(line) for line in _lines(service.output.parent / "reactions")]
    assert [(said["verdict"], said["helpful"]) for said in reactions] == [
        ("wrong", None),
        ("wrong", None),
        ("right", None),
        (None, True),
    ]
    asked = {entry["id"]: entry["question"] for entry in read_log()}
    assert [asked[said["answer_id"]] for said in reactions] == [
        BERKSHIRE,
        BERKSHIRE,
        "hydro in Devon",
        "hydro in Devon",
    ]

    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert all(address.startswith(service.url) for address in loaded)


def test_questions_are_text_and_nothing_else(browser: webdriver.Chrome, service: Running) -> None:
    page = Page(browser, service.url)
    page.ask('wind in <img src=x onerror="document.title=1">')
    assert browser.title == "Feed-in Tariff sites"
    assert browser.find_elements(By.CSS_SELECTOR, "#answer img") == []


def test_every_control_has_a_name_and_the_page_fits_a_phone(browser: webdriver.Chrome, service: Running) -> None:
    page = Page(browser, service.url)
    page.ask("how many sites per technology")
    assert page.chips() == ["Figure: number of sites", "For each: technology"]
    assert "Installations by technology" in page.text("#bars-caption")
    unnamed = [
        control.get_attribute("outerHTML")
        for control in browser.find_elements(By.CSS_SELECTOR, "button, input, select, [role=img], [role=region]")
        if control.is_displayed() and not control.accessible_name
    ]
    assert unnamed == []
    browser.set_window_size(390, 900)
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    finally:
        browser.set_window_size(1100, 1500)


def test_a_key_is_asked_for_and_used(browser: webdriver.Chrome, served_var: Path) -> None:
    with running_service(served_var, FIT_ASSETS_API_KEYS="secret") as service:
        page = Page(browser, service.url)
        page.ask("wind")
        assert "API key" in page.text("#problem")
        page.find("#key").send_keys("secret", Keys.ENTER)
        page.until(lambda: sorted(page.fit_ids()) == ["1585", "4004"])


def _lines(folder: Path) -> list[str]:
    return [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]
