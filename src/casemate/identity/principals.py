"""What a token check answers: a Principal who may be trusted, or a Denial that says why not.

The two never share a type with anything that was only read out of a token: `UntrustedToken` and the
claims in it stay inside this package. A denial is a value, not an exception; its code and detail
are for the log and for metrics, never for the caller, who learns 401 or 403 and a request id.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DenialCode(StrEnum):
    """Why a caller was not let in; stable, used as a metric label."""

    AUTHORIZATION_MALFORMED = "AuthorizationMalformed"
    TOKEN_MISSING = "TokenMissing"  # noqa: S105
    TOKEN_TOO_LARGE = "TokenTooLarge"  # noqa: S105
    TOKEN_MALFORMED = "TokenMalformed"  # noqa: S105
    HEADER_REFUSED = "HeaderRefused"
    ALGORITHM_REFUSED = "AlgorithmRefused"
    TYPE_REFUSED = "TypeRefused"
    KEY_UNKNOWN = "KeyUnknown"
    SIGNATURE_INVALID = "SignatureInvalid"
    CLAIMS_INVALID = "ClaimsInvalid"
    ISSUER_UNKNOWN = "IssuerUnknown"
    TOKEN_EXPIRED = "TokenExpired"  # noqa: S105
    TOKEN_NOT_YET_VALID = "TokenNotYetValid"  # noqa: S105
    LIFETIME_TOO_LONG = "LifetimeTooLong"
    AUDIENCE_WRONG = "AudienceWrong"
    CHECK_FAILED = "CheckFailed"


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a token opens nothing. `detail` never quotes the token."""

    code: DenialCode
    detail: str


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose token was verified for exactly one audience."""

    subject: str
    issuer: str
    audience: str
    client_id: str
    token_id: str
    issued_at: int
    expires_at: int
