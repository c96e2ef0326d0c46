"""SVG as text: elements with everything escaped, and whole pictures that say what they show."""

from __future__ import annotations

from markupsafe import Markup, escape

_KEPT = frozenset({"viewBox", "preserveAspectRatio"})
"""Names of attributes that are not written with hyphens."""


def element(tag: str, *children: str, **attributes: object) -> Markup:
    """Return an element. A text child is escaped; an attribute of None is left out, `class_` stands for class."""
    written = "".join(
        f' {_attribute(name)}="{escape(_value(value))}"' for name, value in attributes.items() if value is not None
    )
    inner = Markup("").join(children)
    return Markup(f"<{tag}{written}>{inner}</{tag}>")  # noqa: S704 - every part was escaped above


def text(words: str, **attributes: object) -> Markup:
    """Return a line of text."""
    return element("text", words, **attributes)


def picture(
    kind: str, title: str, description: str, *children: str, height: float, width: float | str = "100%"
) -> Markup:
    """Return a picture that readers of screens are told as one image. `kind`: its class.

    Positions across are in percent, those down in pixels: it is as wide as its place, and its text keeps its size.
    """
    return element(
        "svg", element("title", title), element("desc", description), *children,
        class_=f"drawn {kind}", role="img", aria_label=f"{title}. {description}".strip(), width=width, height=height,
    )  # fmt: skip


def percent(part: float) -> str:
    """Return a share (0 to 1) as a position across."""
    return f"{100 * part:.6g}%"


def _attribute(name: str) -> str:
    return name if name in _KEPT else name.removesuffix("_").replace("_", "-")


def _value(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
