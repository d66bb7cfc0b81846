"""The agent itself as a player: the same pipeline that runs on a box, fed with a recording."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_agent.assembly import Site, card_of, check_camera, check_classes
from edge_agent.capture.source import Source, SourceError
from edge_agent.config import CameraConfig, SiteConfig
from edge_agent.config_file import ConfigError
from edge_agent.detection.detector import Detector, load_detector
from edge_agent.detection.model_card import ModelCard
from edge_agent.evaluation.evaluate import Adjust
from edge_agent.evaluation.suite import Clip
from edge_agent.pipeline import Observation
from edge_agent.replay import replay


@dataclass(frozen=True, slots=True)
class AgentPlayer:
    """Plays recordings to the agent with one model. ``threads`` is how many cores an inference may use."""

    model: str
    models_dir: Path | None = None
    threads: int | None = None

    def __call__(
        self,
        camera: CameraConfig,
        site: SiteConfig,
        source: Source,
        *,
        adjust: Adjust | None = None,
        restart_at_s: float | None = None,
    ) -> Iterable[Observation]:
        """What each analysed frame came to, in order. Raises ``SourceError``, ``ConfigError`` and ``ModelError``."""
        detector = _detector(card_of(camera, self.model, self.models_dir), self.threads)
        return replay(camera, source, Site("evaluation", site, ""), detector, adjust=adjust, restart_at_s=restart_at_s)

    def check(self, clips: Iterable[Clip], site: SiteConfig) -> None:
        """Refuse zones that do not fit their pictures or name what the model does not know, before anything is played.

        Raises ``ConfigError`` with everything wrong, and ``ModelError``. A source that cannot be read is left to the
        evaluation.
        """
        problems: list[str] = []
        for clip in clips:
            problems += check_classes(clip.camera, card_of(clip.camera, self.model, self.models_dir))
            if clip.missing is None:
                try:
                    problems += check_camera(clip.camera, site)[1]
                except SourceError:
                    continue  # told when the clip is played
        if problems:
            raise ConfigError(problems)


_LOADED: dict[tuple[str, float, int | None], Detector] = {}
"""The detectors of this process: a worker that plays several clips loads each model once."""


def _detector(card: ModelCard, threads: int | None) -> Detector:
    key = card.sha256, card.memory_score, threads
    if key not in _LOADED:
        _LOADED[key] = load_detector(card, threads)
    return _LOADED[key]
