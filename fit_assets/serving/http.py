"""The HTTP interface: FastAPI routes over :class:`fit_assets.serving.service.Service`, and the page at ``/``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from fit_assets import __version__, settings
from fit_assets.filters import FilterError, QueryFilters, json_schema
from fit_assets.language.text import MAX_QUESTION_CHARS
from fit_assets.serving import charts
from fit_assets.serving.feedback import FeedbackError
from fit_assets.serving.jsonl import plain
from fit_assets.serving.limits import Limits
from fit_assets.serving.query_log import EXECUTION_ERROR, PARSE_ERROR
from fit_assets.serving.service import Reply, Service

MAX_ROWS = 1_000
GUARDED = frozenset({"/parse", "/ask", "/feedback", "/versions"})

_STATIC = Path(__file__).parent / "static"
_PAGE = {"/": "index.html", "/app.js": "app.js", "/style.css": "style.css", "/icon.svg": "icon.svg"}
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_QUESTION = "wind sites over 100kw in berkshire"
_FILTERS = {
    "capacity_min_kw": 100,
    "location": "Berkshire",
    "postcode_patterns": ["RG", "SL"],
    "technology": "Wind",
}
_ID = "0f3d9f0c5a6b4d6e9a51a3f2c7d8e901"

Question = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUESTION_CHARS),
    Field(description="In plain English.", examples=[_QUESTION]),
]
FilterObject = Annotated[
    dict[str, Any],
    WithJsonSchema(json_schema() | {"description": "Filters of the contract.", "examples": [_FILTERS]}),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ParseRequest(_Strict):
    """A question."""

    question: Question


class AskRequest(_Strict):
    """A question, or filters that somebody has corrected, or both: then the filters are used."""

    question: Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_QUESTION_CHARS)] = Field(
        default="", description="In plain English.", examples=[_QUESTION]
    )
    filters: FilterObject | None = None
    limit: int = Field(default=100, ge=0, le=MAX_ROWS, description="At most so many rows; `total` counts all.")
    charts: bool = Field(default=False, description="Add bars, and dots for a map, of all rows.")
    explain: bool = Field(default=False, description="Add the SQL and its parameters.")

    @model_validator(mode="after")
    def _asks_something(self) -> AskRequest:
        if not self.question and self.filters is None:
            raise ValueError("give a question, or filters")
        return self


class FeedbackRequest(_Strict):
    """What somebody says of an answer. Corrected filters are used by the next training."""

    answer_id: str = Field(default="", max_length=64, description="The `id` of the answer.", examples=[_ID])
    verdict: Literal["right", "wrong"] | None = Field(default=None, description="Was the question understood?")
    helpful: bool | None = Field(default=None, description="Did the answer help?")
    question: Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_QUESTION_CHARS)] = Field(
        default="", description="Needed with `filters`.", examples=[_QUESTION]
    )
    filters: FilterObject | None = Field(default=None, description="The filters that would have been right.")
    note: str = Field(default="", max_length=1000, description="In their own words.")

    @model_validator(mode="after")
    def _says_something(self) -> FeedbackRequest:
        if self.verdict is None and self.helpful is None and self.filters is None:
            raise ValueError("give a verdict, helpful, or corrected filters")
        if self.filters is not None and not self.question:
            raise ValueError("corrected filters need the question that they belong to")
        if self.filters is not None and self.verdict == "right":
            raise ValueError("an answer that was right needs no corrected filters; leave one of them out")
        return self


class ParseAnswer(BaseModel):
    """What was understood."""

    id: str = Field(description="Names this answer in feedback.", examples=[_ID])
    question: str = Field(examples=[_QUESTION])
    filters: FilterObject | None
    parser: str = Field(description="Who answered; `regex` also where a model failed.", examples=["gguf"])
    arm: str = Field(description="`model` or `rules`, as the rollout assigns the user.", examples=["model"])
    version: str = Field(description="Of the model or the rules.", examples=["5f1d7e84a90b"])
    latency_ms: float = Field(description="Time of the parsing.", examples=[84.1])
    confidence: float | None = Field(description="The model's own, where it has one.", examples=[0.97])
    cached: bool
    notes: list[str] = Field(description="What to know: words not used, a fallback, a place that is not known.")
    error: str | None = None


class Chart(BaseModel):
    """Bars of all rows."""

    by: str = Field(examples=["region"])
    figure: str = Field(examples=["installations"])
    bars: list[tuple[str, float]]
    left_out: int = Field(description="Bars that were not drawn.")


class AskAnswer(ParseAnswer):
    """What was understood, and what was found."""

    sentence: str = Field(description="Both in English.")
    columns: list[str]
    rows: list[dict[str, Any]]
    total: int = Field(description="Rows before the limit.", examples=[1])
    chart: Chart | None = None
    dots: list[tuple[str, int, int, int, float]] | None = Field(
        default=None, description="Outward code, easting and northing in km, installations, capacity in kW."
    )
    sql: str | None = None
    params: list[Any] | None = None


class FeedbackAnswer(BaseModel):
    """What was kept."""

    kept: Literal[True] = True
    correction: bool = Field(description="Whether a correction was kept for the next training.")


class Problem(BaseModel):
    """Why there is no answer; says the mend."""

    detail: str = Field(examples=["question: String should have at most 400 characters"])


def _responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    what = {
        401: "No API key, or not one of ours",
        413: "The body is too large",
        422: "Cannot be used; `detail` says the mend",
        429: "Too many questions from one client",
        503: "Busy, or the reference table cannot be read",
    }
    return {status: {"model": Problem, "description": what[status]} for status in statuses}


_ASKED = _responses(401, 413, 422, 429, 503)


def _user(request: Request) -> str:
    """Who asks: the name in X-User-Id, else the API key or the address."""
    return request.headers.get("X-User-Id", "")[:200] or str(getattr(request.state, "client", ""))


User = Annotated[str, Depends(_user)]


def create_app(service: Service) -> FastAPI:
    """The application; it closes the service when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="fit_assets",
        version=__version__,
        summary="Questions about the UK's Feed-in Tariff installations, in plain English.",
        lifespan=lifespan,
        # Their pages load scripts from elsewhere; /openapi.json is what tools want.
        docs_url=None,
        redoc_url=None,
    )

    @app.post("/parse", responses=_ASKED, summary="Filters of a question")
    def parse(asked: ParseRequest, user: User) -> ParseAnswer:
        return ParseAnswer(**_understood(service.parse(asked.question, user)))

    @app.post("/ask", response_model=AskAnswer, responses=_ASKED, summary="Filters and rows of a question")
    def ask(asked: AskRequest, user: User) -> Response:
        filters = None if asked.filters is None else QueryFilters.parse(asked.filters)
        # The map and the bars are of all rows.
        reply = service.ask(asked.question, user, filters, limit=None if asked.charts else asked.limit)
        content = _understood(reply)
        if reply.found is None:
            detail = f"no filters: {reply.error}" if reply.outcome == PARSE_ERROR else reply.error
            status = 503 if reply.outcome == EXECUTION_ERROR else 422
            return JSONResponse(content | {"detail": detail}, status)
        found = reply.found
        content |= {
            "sentence": found.sentence,
            "columns": found.columns,
            "rows": found.rows[: asked.limit],
            "total": found.total,
            "notes": [*content["notes"], *found.notes],
        }
        if asked.charts:
            content |= {"chart": charts.bars(found), "dots": charts.dots(found.rows)}
        if asked.explain:
            content |= {"sql": found.sql, "params": found.params}
        return JSONResponse(plain(content))

    @app.post("/feedback", responses=_ASKED, summary="Say whether an answer was right, and what would have been")
    def feedback(said: FeedbackRequest) -> FeedbackAnswer:
        kept = service.react(
            said.answer_id,
            verdict=said.verdict or ("wrong" if said.filters is not None else None),
            helpful=said.helpful,
            question=said.question,
            corrected=said.filters,
            note=said.note,
        )
        return FeedbackAnswer(correction=kept)

    @app.get("/versions", responses=_responses(401, 429, 503), summary="What is served, and what was registered")
    def versions() -> dict[str, Any]:
        return service.versions()

    @app.get("/healthz", summary="Whether the process is alive")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", summary="State of model, log, cache and reference table; 503 where it cannot answer")
    def readyz() -> JSONResponse:
        state = service.state()
        return JSONResponse(state, 503 if state["status"] == "unready" else 200)

    @app.get("/metrics", summary="Figures for Prometheus", response_class=Response)
    def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/schema", include_in_schema=False)
    async def schema() -> dict[str, Any]:
        return json_schema()

    @app.get("/map", include_in_schema=False)
    def outline() -> JSONResponse:
        points = sorted(set(charts.outward_centroids().values()))
        return JSONResponse(points, headers={"Cache-Control": "max-age=86400"})

    for path, name in _PAGE.items():
        app.add_api_route(path, _file(name), include_in_schema=False, response_class=FileResponse)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": "; ".join(map(_clause, error.errors()))}, 422)

    @app.exception_handler(FilterError)
    @app.exception_handler(FeedbackError)
    async def unusable(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": f"filters: {error}"}, 422)

    @app.exception_handler(OSError)
    async def unwritable(_: Request, error: OSError) -> JSONResponse:
        return JSONResponse({"detail": f"it could not be kept: {error}"}, 503)

    known = {route.path for route in app.routes if hasattr(route, "path")}
    app.add_middleware(
        Limits,
        metrics=service.metrics,
        guarded=GUARDED,
        known=frozenset(known),
        keys=settings.api_keys(),
        rate=settings.rate(),
        concurrency=settings.concurrency(),
    )
    return app


def _understood(reply: Reply) -> dict[str, Any]:
    result = reply.result
    return {
        "id": reply.id,
        "question": result.question,
        "filters": None if result.filters is None else result.filters.to_dict(),
        "parser": result.parser,
        "arm": reply.arm,
        "version": reply.version,
        "latency_ms": round(result.latency_ms, 3),
        "confidence": result.confidence,
        "cached": result.cached,
        "notes": list(result.notes),
        "error": result.error,
    }


def _file(name: str) -> Any:
    async def page() -> FileResponse:
        return FileResponse(_STATIC / name, headers=_PAGE_HEADERS)

    return page


def _clause(problem: Any) -> str:
    """One thing that pydantic found wrong, in words."""
    where = ".".join(str(part) for part in problem["loc"] if part != "body")
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
