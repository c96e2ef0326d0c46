"""The pages of the site: the start with its search, a service, a type."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from stocktake.resource_types.permissions import needed_actions
from stocktake.resource_types.schema import inner_fields
from stocktake.resource_types.spec import page_type
from stocktake.serve.telling.descriptions import description_html
from stocktake.serve.telling.plans import plan_document, proposed_relations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stocktake.resource_types.generated import TypeName
    from stocktake.resource_types.spec import Field, ResourceType


def start_page(services: dict[str, list[TypeName]], model_version: str) -> str:
    """Return the page that one comes to first."""
    count = sum(map(len, services.values()))
    rows = "".join(
        f'<li><a href="services/{escape(service)}.html">{escape(service)}</a> <span>{len(types)}</span></li>'
        for service, types in sorted(services.items())
    )
    body = f"""
<p>{count:,} resource types of {len(services):,} services, derived from {escape(model_version)}.</p>
<input id="search" type="search" placeholder="role, ec2 subnet, AWS::S3::Bucket" aria-label="Search types" autofocus>
<ol id="found" hidden></ol>
<h2>Services</h2>
<ul class="services">{rows}</ul>
"""
    return _page("Resource types", body, above="", scripts=("types.js", "search.js"))


def service_page(service: str, types: Sequence[TypeName], failed: dict[str, str]) -> str:
    """Return the list of a service's types."""
    rows = "".join(
        f'<tr><td><a href="../types/{escape(one.name)}.html">{escape(one.name)}</a></td><td>{escape(one.noun)}</td>'
        f"<td>{escape(one.cloudformation)}</td><td>{escape(one.tier)}</td></tr>"
        if one.name not in failed
        else f"<tr><td>{escape(one.name)}</td><td colspan=3>cannot be read: {escape(failed[one.name])}</td></tr>"
        for one in types
    )
    head = "<tr><th>Type</th><th>Noun</th><th>CloudFormation</th><th>Evidence</th></tr>"
    return _page(service, f"<table>{head}{rows}</table>", above="../", trail=())


def type_page(one: ResourceType, load: Callable[[str], ResourceType], known: frozenset[str]) -> str:
    """Return the page of a type: its fields, what they refer to, and how it is read.

    `known`: the types that have a page.
    """
    relations = list(proposed_relations(one, known))
    model = f"API of {one.api_version}, from {one.model_version}"
    about = [f"{one.noun} of {one.service}, {model}", f"evidence {one.tier}", one.scope, one.cloudformation]
    why = "".join(f"<dt>{escape(part)}</dt><dd>{escape(reason)}</dd>" for part, reason in sorted(one.reasons.items()))
    body = f"""
<p class="about">{escape(" · ".join(filter(None, about)))}</p>
<nav><a href="#fields">Fields</a> <a href="#relations">Relations</a> <a href="#permissions">Permissions</a>
<a href="#calls">Calls</a> <a href="#reasons">Reasons</a></nav>
<h2 id="fields">Fields</h2>
{"".join(_field(field, (), 2) for field in one.fields)}
<h2 id="relations">Relations</h2>
{_relations_table(relations)}
<h2 id="permissions">Permissions</h2>
<ul>{"".join(f"<li><code>{escape(action)}</code></li>" for action in sorted(needed_actions([one], load)))}</ul>
<h2 id="calls">Calls</h2>
{_calls(one, known)}
<h2 id="reasons">Reasons</h2>
<dl class="plain">{why}</dl>
{_left_out(one)}
"""
    return _page(one.name, body, above="../", trail=((f"services/{one.service}.html", one.service),))


def _page(
    title: str, body: str, *, above: str, trail: tuple[tuple[str, str], ...] = (), scripts: tuple[str, ...] = ()
) -> str:
    links = "".join(f' / <a href="{above}{escape(target)}">{escape(text)}</a>' for target, text in trail)
    home = f'<p class="trail"><a href="{above}index.html">Resource types</a>{links}</p>' if above else ""
    loaded = "".join(f'<script src="{above}{script}"></script>' for script in scripts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="{above}style.css"></head>'
        f"<body>{home}<h1>{escape(title)}</h1>{body}{loaded}</body></html>\n"
    )


def _field(field: Field, above: tuple[str, ...], level: int) -> str:
    path = (*above, field.name)
    anchor = escape(".".join(path))
    provider = f" <span>{escape(field.provider_name)}</span>" if field.provider_name else " <span>computed</span>"
    head = f'<a href="#{anchor}"><code>{escape(field.name)}</code></a> <b>{escape(page_type(field.type))}</b>{provider}'
    children = "".join(_field(child, path, level + 1) for child in inner_fields(field.type))
    inner = f"<div>{children}</div>" if children else ""
    return f'<section id="{anchor}"><h4>{head}</h4>{description_html(field.documentation)}{inner}</section>'


def _relations_table(relations: list[tuple[str, list[str]]]) -> str:
    note = "<p>Any field that holds an ARN, an S3 URI or an image refers to what it names.</p>"
    if not relations:
        return note
    rows = "".join(
        f'<tr><td><a href="#{escape(path)}">{escape(path)}</a></td><td>{", ".join(map(_type_link, types))}</td></tr>'
        for path, types in relations
    )
    return f"{note}<table><tr><th>Field</th><th>May refer to</th></tr>{rows}</table>"


def _type_link(name: str) -> str:
    return f'<a href="{escape(name)}.html">{escape(name)}</a>'


def _calls(one: ResourceType, known: frozenset[str]) -> str:
    plan = plan_document(one)
    rows: list[str] = []
    calls = {label: plan[label] for label in ("list", "describe", "tags")}
    calls |= {f"facet {name}": call for name, call in plan["facets"].items()}
    for label, call in calls.items():
        if call is not None:
            rows.append(f"<dt>{label}</dt><dd><code>{escape(call['operation'])}</code>{_call_details(call)}</dd>")
    parent = one.list_call.parent
    if parent is not None:
        name = _type_link(parent.type) if parent.type in known else escape(parent.type)
        rows.append(f"<dt>parent</dt><dd>listed once for each {name}</dd>")
    if plan["inline_tags"] is not None:
        rows.append(f"<dt>tags</dt><dd>in the document: <code>{escape(plan['inline_tags'])}</code></dd>")
    identity = [path for path in (plan["identity"]["arn"], *plan["identity"]["key"]) if path]
    rows.append(f"<dt>identity</dt><dd>{', '.join(f'<code>{escape(path)}</code>' for path in identity)}</dd>")
    if plan["life_cycle"]["final_states"]:
        rows.append(f"<dt>final states</dt><dd>{escape(', '.join(plan['life_cycle']['final_states']))}</dd>")
    return f'<dl class="plain">{"".join(rows)}</dl>'


def _call_details(call: dict[str, Any]) -> str:
    details = [f"{member} = {path or 'the list item'}" for member, path in call["bindings"].items()]
    details += [f"{member} = {value}" for member, value in call["arguments"].items()]
    if call["result"]:
        details.append(f"answer in {call['result']}")
    pages = call["pagination"]
    if pages:
        details.append(f"pages by {pages['input_token']} ({pages['origin']})")
    return f"<br>{escape('; '.join(details))}" if details else ""


def _left_out(one: ResourceType) -> str:
    if not one.omitted:
        return ""
    return f"<h2>Left out</h2><p>{', '.join(f'<code>{escape(name)}</code>' for name in one.omitted)}</p>"


def search_data(types: Iterable[TypeName]) -> list[list[str]]:
    """Return what the search knows of each type: its name, and other words for it."""
    return [[one.name, f"{one.service} {one.noun} {one.cloudformation}".strip()] for one in types]
