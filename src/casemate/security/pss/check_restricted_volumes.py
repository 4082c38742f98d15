"""Rule: volumes come from the Kubernetes API, an image or a claim, never from a named backend.

Restricted fields
    spec.volumes[*], by the source they name
Allowed values
    configMap, csi, downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, projected,
    secret, or none, which means emptyDir; any other source, and one unknown here, is refused
Level and versions
    restricted; since v1.0, in place of hostPathVolumes
"""

from __future__ import annotations

from casemate.security.pss.check_host_path_volumes import RULE_ID as HOST_PATH_RULE_ID
from casemate.security.pss.levels import Level
from casemate.security.pss.pod_view import PodView, VolumeView
from casemate.security.pss.rule import Broken, Revision, Rule
from casemate.security.pss.wording import fix, listed

ALLOWED_SOURCES = frozenset({
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
})  # fmt: skip
NO_SOURCE = "no known source"


def _is_allowed(volume: VolumeView) -> bool:
    # All of them, not one of them: a volume that also names a refused source stays refused.
    return bool(volume.sources) and ALLOWED_SOURCES.issuperset(volume.sources)


def check_restricted_volumes(pod: PodView) -> Broken | None:
    """Name each volume whose source is not on the list, and that source."""
    refused = [volume for volume in pod.volumes if not _is_allowed(volume)]
    if not refused:
        return None
    found = {
        source
        for volume in refused
        for source in set(volume.sources or (NO_SOURCE,)) - ALLOWED_SOURCES
    }
    allowed = ", ".join(sorted(ALLOWED_SOURCES))
    return Broken(
        "volume types not allowed",
        fix(
            [volume.label for volume in refused],
            f"found {listed(sorted(found))}, use one of {allowed}",
        ),
    )


RULE = Rule(
    id="restrictedVolumes",
    level=Level.RESTRICTED,
    revisions=(Revision(0, check_restricted_volumes, frozenset({HOST_PATH_RULE_ID})),),
)
