from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from fit_assets import settings
from fit_assets.filters import QueryFilters
from fit_assets.places import (
    COLUMNS,
    KINDS,
    POSTCODE_AREAS,
    Gazetteer,
    GazetteerError,
    fill_patterns,
    is_outside_great_britain,
    load_gazetteer,
    postcodes_in,
)

WIND_REGISTER = settings.PROJECT_ROOT.parent / "shared" / "data" / "wind_register.csv"


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return load_gazetteer(settings.PROJECT_ROOT / "data" / "gazetteer.csv")


def names(gazetteer: Gazetteer, question: str) -> list[str]:
    return [match.place.name for match in gazetteer.find(question)]


def test_the_patterns_that_the_mission_fixes(gazetteer: Gazetteer) -> None:
    assert gazetteer.patterns_for("Yorkshire") == ("YO", "HU", "DN", "HD", "WF", "LS", "BD")
    assert gazetteer.patterns_for("berks") == ("RG", "SL")


def test_every_kind_of_place_is_there(gazetteer: Gazetteer) -> None:
    kinds = [place.kind for place in gazetteer.places]
    assert {kind: kinds.count(kind) for kind in ("nation", "region", "council_area")} == {
        "nation": 3,
        "region": 9,
        "council_area": 32 + 22,
    }
    assert set(kinds) == set(KINDS)
    assert kinds.count("city") + kinds.count("town") >= 130
    assert len(POSTCODE_AREAS) == 120
    assert {area for place in gazetteer.places for area in place.patterns} == POSTCODE_AREAS


@pytest.mark.parametrize(
    "name",
    [
        "Yorkshire and The Humber",
        "East of England",
        "Lincolnshire",
        "Greater Manchester",
        "East Riding of Yorkshire",
        "Durham",
        "Highland",
        "Argyll and Bute",
        "Ceredigion",
        "Anglesey",
        "Orkney",
        "Shetland",
        "Na h-Eileanan Siar",
        "Leeds",
        "Inverness",
        "East Anglia",
        "Midlands",
        "Scottish Borders",
        "Lake District",
        "North East Scotland",
        "Caithness",
        "Sutherland",
        "Stoke-on-Trent",
        "Dundee",
    ],
)
def test_canonical_names_of_the_contract(gazetteer: Gazetteer, name: str) -> None:
    place = gazetteer.get(name.upper())
    assert place is not None
    assert place.name == name


def test_nothing_in_the_gazetteer_is_hidden_from_find(gazetteer: Gazetteer) -> None:
    for place in gazetteer.places:
        for label in (place.name, *place.aliases):
            assert names(gazetteer, f"wind farms in {label.lower()}") == [place.name], label


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("wind in North Yorkshire", ["North Yorkshire"]),
        ("WEST MIDLANDS solar", ["West Midlands"]),
        ("solar in the Midlands", ["Midlands"]),
        ("ne scotland wind", ["North East Scotland"]),
        ("south wales hydro", ["South Wales"]),
        ("pv in the East of England", ["East of England"]),
        ("stoke on trent solar", ["Stoke-on-Trent"]),
        ("tyne & wear", ["Tyne and Wear"]),
        ("N.Yorks and W. Yorks", ["North Yorkshire", "West Yorkshire"]),
        ("co. durham wind", ["Durham"]),
        ("Devon's largest wind farm", ["Devon"]),
        ("hydro on Ynys Môn", ["Anglesey"]),
        ("compare the highlands with the borders", ["Highland", "Scottish Borders"]),
        ("Bury St. Edmunds", ["Bury St Edmunds"]),
        ("turbines near Kings Lynn", ["King's Lynn"]),
        ("Devon, Cornwall and Bristol", ["Devon", "Cornwall", "Bristol"]),
    ],
)
def test_find_spellings(gazetteer: Gazetteer, question: str, expected: list[str]) -> None:
    assert names(gazetteer, question) == expected


@pytest.mark.parametrize(
    ("misspelt", "name"),
    [
        ("berkshrie", "Berkshire"),
        ("linconshire", "Lincolnshire"),
        ("abredeenshire", "Aberdeenshire"),
        ("cornwal", "Cornwall"),
        ("noth yorkshire", "North Yorkshire"),
        ("soth yorkshire", "South Yorkshire"),
        ("east midlnads", "East Midlands"),
        ("gloustershire", "Gloucestershire"),
        ("middlesborough", "Middlesbrough"),
        ("stokeontrnet", "Stoke-on-Trent"),
        ("harrow gate", "Harrogate"),
        ("care philly", "Caerphilly"),
    ],
)
def test_find_misspelt(gazetteer: Gazetteer, misspelt: str, name: str) -> None:
    [match] = gazetteer.find(f"wind sites in {misspelt} over 50kw")
    assert match.place.name == name
    assert match.text == misspelt
    assert 60 < match.score < 100


def test_a_slip_between_two_counties_is_not_guessed(gazetteer: Gazetteer) -> None:
    assert names(gazetteer, "solar in herfordshire") == []  # Hertfordshire or Herefordshire


@pytest.mark.parametrize(
    "question",
    [
        "list all sites by average capacity",
        "survey leads for sale with a large yield",
        "revenue in sterling from hydro works starting in march 2015",
        "what deal is working well for staff",
        "reading the export meter",
        "show me wells and bath times",
        "string inverters above 50 kw pooled at the border",
        "count commissioned per year and per region, newest first",
        "south west facing panels",
        "land faster than a wear idea",
        "turbines in Shenfield and Strood",
    ],
)
def test_find_takes_no_common_word_for_a_place(gazetteer: Gazetteer, question: str) -> None:
    assert names(gazetteer, question) == []


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("solar in reading", ["Reading"]),
        ("reading solar", ["Reading"]),
        ("WIND FARMS BATH", ["Bath"]),
        ("compare reading and slough", ["Reading", "Slough"]),
        ("pv for Leeds, Bath", ["Leeds", "Bath"]),
    ],
)
def test_places_that_are_words_need_a_lead(gazetteer: Gazetteer, question: str, expected: list[str]) -> None:
    assert names(gazetteer, question) == expected


@pytest.mark.parametrize("district", ["West Devon", "West Berkshire", "North East Lincolnshire", "Torridge"])
def test_districts_do_not_become_their_county(gazetteer: Gazetteer, district: str) -> None:
    question = f"wind in {district.lower()} please"
    assert names(gazetteer, question) == []
    assert gazetteer.find_districts(question) == [(district, 8, 8 + len(district))]


def test_compass_words_make_another_county_but_the_same_town(gazetteer: Gazetteer) -> None:
    assert names(gazetteer, "solar in north east yorkshire") == []
    assert names(gazetteer, "solar in south london or north leeds") == ["London", "Leeds"]


def test_matches_point_into_the_question(gazetteer: Gazetteer) -> None:
    question = "Zürich's  ŷ: Ynys Môn & DEVON’S farms, n. yorks"
    matches = gazetteer.find(question)
    assert [match.text for match in matches] == ["Ynys Môn", "DEVON", "n. yorks"]
    assert all(question[match.start : match.end] == match.text for match in matches)


@pytest.mark.parametrize("question", ["", "   ", "?!.", "'s 's", "İstanbul", "\x00", "x" * 5000, "é" * 50, "& & &"])
def test_odd_questions_find_nothing(gazetteer: Gazetteer, question: str) -> None:
    assert gazetteer.find(question) == []
    assert postcodes_in(question) == []


def test_suggest_offers_near_names(gazetteer: Gazetteer) -> None:
    assert gazetteer.suggest("berkshre")[0] == "Berkshire"
    assert gazetteer.suggest("zzzzqqq") == []


@pytest.mark.parametrize(
    ("question", "outside"),
    [
        ("wind in northern ireland", True),
        ("solar in New York", True),
        ("hydro on the Isle of Man", True),
        ("PV in South Holland", False),  # a district of Lincolnshire
        ("wind in York", False),
        ("biogas of turkey farms", False),
    ],
)
def test_outside_great_britain(gazetteer: Gazetteer, question: str, outside: bool) -> None:
    assert is_outside_great_britain(question, gazetteer) is outside
    assert names(gazetteer, question) == (["York"] if question.endswith("in York") else [])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("wind in RG17", ["RG17"]),
        ("rg17 9ab", ["RG17"]),
        ("RG179AB", ["RG17"]),
        ("RG1 9AB", ["RG1"]),
        ("SW1A 1AA and w1a", ["SW1A", "W1A"]),
        ("sites in rg17, RG18", ["RG17", "RG18"]),
        ("the YO area", ["YO"]),
        ("yo postcodes", ["YO"]),
        ("RG and SL postcodes", ["RG", "SL"]),
        ("postcode areas HU, DN and hd", ["HU", "DN", "HD"]),
        ("wind in YO", ["YO"]),
        ("sites in tr", ["TR"]),
        ("the da postcode", ["DA"]),
        ("G postcodes", ["G"]),
        ("over 500 KW in EH", ["EH"]),
    ],
)
def test_postcodes(question: str, expected: list[str]) -> None:
    hits = postcodes_in(question)
    assert [pattern for pattern, _, _ in hits] == expected
    assert all(question[start:end].upper().startswith(pattern) for pattern, start, end in hits)


@pytest.mark.parametrize(
    "question",
    [
        "over 500 KW",
        "NE Scotland",
        "N Yorks",
        "show us all so we can go by me in la",
        "WIND SITES TO SO OR AL",
        "PV/10-50/09L-3",
        "count per postcode area in Devon",
        "BT1 in Belfast",
        "G99 sites, FY15",
        "2 MW, fit id 4004, 1MW to 5MW",
    ],
)
def test_no_postcodes(question: str) -> None:
    assert postcodes_in(question) == []


def test_fill_patterns(gazetteer: Gazetteer) -> None:
    assert fill_patterns({"location": "Berkshire"}, gazetteer) == {
        "location": "Berkshire",
        "postcode_patterns": ["RG", "SL"],
    }
    filled = fill_patterns(QueryFilters.parse({"location": "Berkshire", "technology": "Wind"}), gazetteer)
    assert filled.postcode_patterns == ["RG", "SL"]
    for untouched in (
        {"location": "Berkshire", "postcode_patterns": ["RG17"]},
        {"location": "Nowhere"},
        {"locations": ["Devon", "Cornwall"]},
        {"technology": "Wind"},
        {},
    ):
        assert fill_patterns(untouched, gazetteer) == untouched


def write(folder: Path, *rows: str, header: str = ",".join(COLUMNS), encoding: str = "utf-8") -> Path:
    path = folder / "gazetteer.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding=encoding)
    return path


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("Devon,county,EX;PL,", "row 3: 'Devon' of Devon already stands for Devon"),
        ("Devonia,county,EX,de von", "row 3: 'de von' of Devonia already stands for Devon"),
        ("Kent,shire,CT,", "row 3: unknown kind 'shire' of Kent; use one of nation"),
        ("Kent,county,ct,", "row 3: pattern 'ct' of Kent"),
        ("Kent,county,ZZ,", "row 3: pattern 'ZZ' of Kent"),
        ("Kent,county,CT;,", "row 3: patterns of Kent are empty or hold an empty value"),
        ("Kent,county,,", "row 3: patterns of Kent are empty"),
        ("Kent,county,CT;CT,", "row 3: Kent names a pattern twice"),
        ("Kent,county,CT,reading", "row 3: alias 'reading' of Kent is an English word"),
        ("Kent,county,CT,K", "row 3: alias 'K' of Kent is too short"),
        ("Kent,county,CT,Kentshire;;Kentia", "row 3: aliases of Kent"),
        (",county,CT,", "row 3: name '' is empty"),
        (" Kent,county,CT,", "row 3: name ' Kent' is empty or has blanks"),
        ("Kent,county,CT", "row 3: 3 columns where 4 belong"),
        ("Kent,county,CT,ME,TN", "row 3: 5 columns where 4 belong"),
        ('Kent,county,"CT"x,', "row 3: .* check the quotation marks"),
    ],
)
def test_bad_rows_name_file_row_and_mend(tmp_path: Path, row: str, complaint: str) -> None:
    path = write(tmp_path, "Devon,county,EX,", row)
    with pytest.raises(GazetteerError, match=complaint) as caught:
        load_gazetteer(path)
    assert str(path) in str(caught.value)


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(GazetteerError, match="row 1: the header is"):
        load_gazetteer(write(tmp_path, "Devon,county,EX,", header="name;kind;patterns;aliases"))
    with pytest.raises(GazetteerError, match="row 3: not UTF-8; save the file as"):
        load_gazetteer(write(tmp_path, "Devon,county,EX,", "Ynys Môn,area,LL,", encoding="cp1252"))
    with pytest.raises(GazetteerError, match="holds no place"):
        load_gazetteer(write(tmp_path))
    with pytest.raises(GazetteerError, match=r"missing\.csv: cannot be read"):
        load_gazetteer(tmp_path / "missing.csv")


def test_a_byte_order_mark_and_a_change_are_taken_in(tmp_path: Path) -> None:
    path = write(tmp_path, "Devon,county,EX,", encoding="utf-8-sig")
    first = load_gazetteer(path)
    assert first is load_gazetteer(path)
    write(tmp_path, "Devon,county,EX;TQ,")
    assert load_gazetteer(path).patterns_for("Devon") == ("EX", "TQ")


def test_the_patterns_hold_for_the_real_register(gazetteer: Gazetteer) -> None:
    if not WIND_REGISTER.exists():
        pytest.skip(f"{WIND_REGISTER} is not there")
    with WIND_REGISTER.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["outward_code"]]
    for column, least in (("country", 0.999), ("region", 0.985)):
        known = [(row, place) for row in rows if (place := gazetteer.get(row[column]))]
        assert len(known) > 0.99 * len(rows)
        inside = [row for row, place in known if re.match("[A-Z]+", row["outward_code"])[0] in place.patterns]  # type: ignore[index]
        assert len(inside) / len(known) > least
