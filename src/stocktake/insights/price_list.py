"""AWS's price list for a service, as the bulk API serves it: an offer file in JSON.

Source: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file-for-services.html
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COMPONENT = "training"
_USAGE = re.compile(r"\bTrain(ing)?:")
_HOURS = frozenset({"hrs", "hours", "hour"})


def read_price_list(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the on-demand prices of training instances. Shape: as `prices.PRICE_SCHEMA`.

    A product counts if its component, or else its usage type, is training; its price is by the hour, and holds since
    the term's effective date: what it was before, the list does not say.
    """
    offer = orjson.loads(path.read_bytes())
    if not isinstance(offer, dict):
        return
    products: dict[str, Any] = offer.get("products") or {}
    terms: dict[str, Any] = (offer.get("terms") or {}).get("OnDemand") or {}
    for sku, product in products.items():
        attributes = {str(name).lower(): str(value) for name, value in (product.get("attributes") or {}).items()}
        instance_type = _instance_type(attributes)
        if instance_type is None:
            continue
        for term in (terms.get(sku) or {}).values():
            for dimension in (term.get("priceDimensions") or {}).values():
                if str(dimension.get("unit", "")).lower() not in _HOURS:
                    continue
                for currency, price in (dimension.get("pricePerUnit") or {}).items():
                    yield {
                        "instance_type": instance_type,
                        "region": attributes.get("regioncode"),
                        "per_hour": float(price),
                        "currency": currency,
                        "valid_from": _since(term),
                        "valid_to": None,
                    }


def _instance_type(attributes: dict[str, str]) -> str | None:
    """Return the instance type of a training product; None for another one."""
    name = attributes.get("instancename") or attributes.get("instancetype") or ""
    what = attributes.get("platoinstancetype") or attributes.get("component") or ""
    if not what and _USAGE.search(attributes.get("usagetype", "")):
        what = _COMPONENT
    # Older lists write the component behind the type: `ml.m4.xlarge-Training`.
    kind, _, behind = name.partition("-")
    if name.startswith("ml.p6-"):
        kind, _, behind = name.rpartition("-") if name.count("-") > 1 else (name, "", "")
    return kind if kind.startswith("ml.") and (behind or what).lower() == _COMPONENT else None


def _since(term: dict[str, Any]) -> datetime | None:
    """Return since when a term's price holds; UTC without a zone, as the catalog keeps times."""
    stated = term.get("effectiveDate")
    return None if not stated else datetime.fromisoformat(stated).astimezone(UTC).replace(tzinfo=None)
