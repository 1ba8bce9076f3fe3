"""Every path and environment variable of the program, once.

Nothing else in the project reads ``os.environ``. Values are read when asked for, not at import, so that
tests and Dagster runs can point the program elsewhere by setting the variable.

==============================  ============================================================================
``FIT_ASSETS_DATA``             folder with the gazetteer, phrases, tariff rates (default ``data/``)
``FIT_ASSETS_VAR``              folder for everything that runs produce (default ``var/``)
``FIT_ASSETS_PRESET``           training preset of the default run (default ``smollm2-135m``)
``FIT_ASSETS_BASE_MODEL``       local Hugging Face folder that stands in for a preset's download from the hub
``FIT_ASSETS_THREADS``          threads for torch and llama.cpp (default: the cores we may use)
``MLFLOW_TRACKING_URI``         MLflow server (default: a SQLite file in ``var/mlflow``)
``OLLAMA_HOST``                 Ollama server (default ``http://127.0.0.1:11434``)
``FIT_ASSETS_OLLAMA_MODEL``     name under which Ollama knows the model (default ``fit-intelligence``)
``FIT_ASSETS_AS_OF``            the day that "years left" counts from, ISO date (default: today)
``FIT_ASSETS_FEEDBACK_VOLUME``  new corrected questions that start a retraining (default 100)
``FIT_ASSETS_RETRY_MINUTES``    minutes until a failed retraining is tried again; then four times as long (default 10)
``FIT_ASSETS_NOTIFY_URL``       webhook that is told of failed runs and alerts (default: the log alone)
``FIT_ASSETS_DOMESTIC``         1 takes the domestic rows of Ofgem's report too (default: left out)
``FIT_ASSETS_MODEL_SECONDS``    seconds after which the rules answer in a model's place (default 5)
``FIT_ASSETS_MIN_CONFIDENCE``   a model's confidence below which the rules answer, 0 to 1 (default 0: never)
``FIT_ASSETS_ROLLOUT_PERCENT``  share of users whom the model answers, 0 to 100 (default 100)
``FIT_ASSETS_API_KEYS``         keys that the HTTP service accepts, separated by commas (default: none is asked for)
``FIT_ASSETS_RATE``             questions a second and client at the HTTP service (default 20; 0: no limit)
``FIT_ASSETS_CONCURRENCY``      questions that the HTTP service works on at a time (default 32)
``FIT_ASSETS_FOLLOW_SECONDS``   seconds between a service's looks at what is in production (default 5)
``FIT_ASSETS_LOG_DAYS``         days for which questions and reactions are kept (default 90; 0: for ever)
``REDIS_URL``                   Redis as the cache of parsed questions (default: in the process)
``QUERY_LOG_URL``               PostgreSQL to which the query log is copied (default: files in ``var/`` alone)
==============================  ============================================================================
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent


def data_dir() -> Path:
    """Folder of the files that people edit."""
    return Path(os.environ.get("FIT_ASSETS_DATA") or PROJECT_ROOT / "data").resolve()


def var_dir() -> Path:
    """Folder of everything that runs produce; ignored by git, safe to delete."""
    return Path(os.environ.get("FIT_ASSETS_VAR") or PROJECT_ROOT / "var").resolve()


def gazetteer_path() -> Path:
    """The gazetteer, a CSV file."""
    return data_dir() / "gazetteer.csv"


def phrases_dir() -> Path:
    """Folder of the phrase files from which the generator words its questions."""
    return data_dir() / "phrases"


def questions_dir() -> Path:
    """Folder of the natural questions: ``train.jsonl`` to learn from, ``dev.jsonl``, ``test.jsonl`` to measure on."""
    return data_dir() / "questions"


def ofgem_dir() -> Path:
    """Folder into which a user drops Ofgem's Installation Report."""
    return data_dir() / "ofgem"


def include_domestic() -> bool:
    """Whether the domestic rows of Ofgem's report become installations too."""
    return os.environ.get("FIT_ASSETS_DOMESTIC", "").lower() in ("1", "true", "yes")


def warehouse_path() -> Path:
    """The DuckDB file that holds the reference tables."""
    return var_dir() / "warehouse.duckdb"


def query_log_path() -> Path:
    """The DuckDB file that holds the query log: apart from the warehouse, since DuckDB has one writer."""
    return var_dir() / "query_log.duckdb"


def query_log_dir() -> Path:
    """Folder to which every process appends the questions it was asked (JSONL, one file a process and day)."""
    return var_dir() / "query_log"


def reactions_dir() -> Path:
    """Folder of what people said of answers: right, wrong, helpful (JSONL, one file a process and day)."""
    return var_dir() / "reactions"


def dataset_dir() -> Path:
    """Folder of the generated examples and their splits (JSONL)."""
    return var_dir() / "dataset"


def feedback_dir() -> Path:
    """Folder of corrected questions (JSONL files, one object a line)."""
    return var_dir() / "feedback"


def models_dir() -> Path:
    """Folder of base models, adapters, merged models and GGUF files."""
    return var_dir() / "models"


def toolchain_dir() -> Path:
    """Folder that holds llama.cpp's converter, unpacked from the installed version's own sdist."""
    return var_dir() / "toolchain"


def preset_name() -> str:
    """Training preset of the default run."""
    return os.environ.get("FIT_ASSETS_PRESET") or "smollm2-135m"


def base_model_override() -> Path | None:
    """Local folder that stands in for the hub download of a preset's base model."""
    configured = os.environ.get("FIT_ASSETS_BASE_MODEL")
    return Path(configured).resolve() if configured else None


def threads() -> int:
    """Threads for torch and llama.cpp: the cores that this process may use, unless set."""
    configured = os.environ.get("FIT_ASSETS_THREADS")
    return int(configured) if configured else len(os.sched_getaffinity(0))


def let_waiting_threads_sleep() -> None:
    """Make OpenMP's threads sleep while they wait for each other, unless ``OMP_WAIT_POLICY`` says otherwise.

    By default they spin, and where another process wants the same core, llama.cpp then takes several times as long
    for a token. It counts only for what is loaded afterwards, so call it before the first import of ``llama_cpp`` or
    torch.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def mlflow_tracking_uri() -> str:
    """Where MLflow keeps its runs."""
    configured = os.environ.get("MLFLOW_TRACKING_URI")
    if configured:
        return configured
    folder = var_dir() / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}"


def mlflow_artifact_dir() -> Path:
    """Where the local MLflow keeps plots and files."""
    return var_dir() / "mlflow" / "artifacts"


def ollama_host() -> str:
    """Base URL of the Ollama server; a bare ``host:port`` as Ollama itself accepts gets ``http://``."""
    host = (os.environ.get("OLLAMA_HOST") or "http://127.0.0.1:11434").rstrip("/")
    return host if "://" in host else f"http://{host}"


def ollama_model() -> str:
    """Name under which Ollama knows the model."""
    return os.environ.get("FIT_ASSETS_OLLAMA_MODEL") or "fit-intelligence"


def as_of() -> date:
    """The day that "years left" counts from; fixed by ``FIT_ASSETS_AS_OF`` where a run must repeat."""
    configured = os.environ.get("FIT_ASSETS_AS_OF")
    return date.fromisoformat(configured) if configured else date.today()


def feedback_volume(default: int) -> int:
    """New corrected questions that start a retraining."""
    configured = os.environ.get("FIT_ASSETS_FEEDBACK_VOLUME")
    return int(configured) if configured else default


def retry_minutes() -> float:
    """Minutes until a failed retraining is tried again for the first time."""
    return _number("FIT_ASSETS_RETRY_MINUTES", 10.0, 0, 100_000)


def notify_url() -> str | None:
    """Webhook that is told what a person should know."""
    return os.environ.get("FIT_ASSETS_NOTIFY_URL") or None


def model_seconds() -> float:
    """Seconds after which the rules answer in a model's place."""
    return _number("FIT_ASSETS_MODEL_SECONDS", 5.0, 0.001, 3600)


def min_confidence() -> float:
    """A model's confidence below which the rules answer."""
    return _number("FIT_ASSETS_MIN_CONFIDENCE", 0.0, 0, 1)


def rollout_percent() -> float:
    """Share of users whom the model answers; the rules answer the others."""
    return _number("FIT_ASSETS_ROLLOUT_PERCENT", 100.0, 0, 100)


def api_keys() -> frozenset[str]:
    """Keys that the HTTP service accepts; none means that it asks for none."""
    return frozenset(key.strip() for key in os.environ.get("FIT_ASSETS_API_KEYS", "").split(",") if key.strip())


def rate() -> float:
    """Questions a second that one client may ask the HTTP service; 0 for no limit."""
    return _number("FIT_ASSETS_RATE", 20.0, 0, 1_000_000)


def concurrency() -> int:
    """Questions that the HTTP service works on at a time; it refuses what comes on top."""
    return int(_number("FIT_ASSETS_CONCURRENCY", 32, 1, 10_000))


def follow_seconds() -> float:
    """Seconds between two looks of a running service at what is in production."""
    return _number("FIT_ASSETS_FOLLOW_SECONDS", 5.0, 0.01, 86_400)


def log_days() -> int:
    """Days for which questions and reactions are kept, since people may have typed personal data; 0 for ever."""
    return int(_number("FIT_ASSETS_LOG_DAYS", 90, 0, 100_000))


def redis_url() -> str | None:
    """Redis for the cache of parsed questions."""
    return os.environ.get("REDIS_URL") or None


def query_log_url() -> str | None:
    """PostgreSQL to which the query log is copied."""
    return os.environ.get("QUERY_LOG_URL") or None


def _number(name: str, default: float, lowest: float, highest: float) -> float:
    configured = os.environ.get(name)
    if not configured:
        return default
    try:
        value = float(configured)
    except ValueError:
        value = float("nan")
    if not lowest <= value <= highest:
        raise ValueError(f"{name} is {configured!r}; it must be a number from {lowest:g} to {highest:g}")
    return value
