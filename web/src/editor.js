// Turns textarea[data-editor] into an editor of SQL. It lives in a shadow root: there, CodeMirror's styles are
// constructed stylesheets, which a strict content security policy lets pass. The textarea stays what the form sends.
import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, startCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { PostgreSQL, sql } from "@codemirror/lang-sql";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { EditorState, Prec } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightSpecialChars, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const highlight = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword], color: "var(--sql-keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--sql-string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--sql-number)" },
  { tag: [tags.typeName, tags.standard(tags.name)], color: "var(--sql-type)" },
  { tag: [tags.comment, tags.lineComment, tags.blockComment], color: "var(--sql-comment)", fontStyle: "italic" },
]);

const theme = EditorView.theme({
  "&": { fontSize: "13px", color: "var(--text)", backgroundColor: "var(--surface)", minHeight: "170px", maxHeight: "50vh" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5", overflow: "auto", minHeight: "170px" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--muted)", border: "0" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--hover) 55%, transparent)" },
  ".cm-placeholder": { color: "var(--muted)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "light-dark(#c9d2ff, #3b468f) !important" },
  ".cm-tooltip": { backgroundColor: "var(--surface)", border: "1px solid var(--line-strong)", color: "var(--text)", borderRadius: "6px" },
  ".cm-tooltip-autocomplete ul li": { fontFamily: "var(--mono)", fontSize: "12px", padding: "3px 8px" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent-ground)", color: "var(--on-accent)" },
  ".cm-completionDetail": { fontStyle: "normal", opacity: "0.85", marginLeft: "10px" },
});

const kinds = { table: "class", schema: "namespace", column: "property", path: "property", alias: "variable", function: "function", keyword: "keyword" };

async function complete(context) {
  const before = context.matchBefore(/[\w".\[\]]+$/);
  if (!before && !context.explicit) return null;
  const asked = new AbortController();
  context.addEventListener("abort", () => asked.abort());
  let answer;
  try {
    answer = await fetch("/sql/complete", {
      method: "POST",
      body: new URLSearchParams({ text: context.state.doc.toString(), at: String(context.pos) }),
      signal: asked.signal,
    });
  } catch {
    return null;
  }
  if (!answer.ok) return null;
  const found = await answer.json();
  if (!found.items.length) return null;
  return {
    from: found.start,
    to: Math.max(found.end, context.pos),
    options: found.items.map((item, at) => ({
      label: item.text,
      detail: item.type || (item.kind === "keyword" ? "" : item.kind),
      type: kinds[item.kind],
      boost: -Math.min(at, 99),
    })),
    filter: false,
  };
}

function mount(area) {
  const host = document.createElement("div");
  host.className = "editor-host";
  const shadow = host.attachShadow({ mode: "open" });
  const run = () => {
    area.form?.requestSubmit();
    return true;
  };
  const view = new EditorView({
    root: shadow,
    parent: shadow,
    state: EditorState.create({
      doc: area.value,
      extensions: [
        Prec.highest(keymap.of([{ key: "Mod-Enter", run }, { key: "Tab", run: acceptCompletion }, { key: "Ctrl-Space", run: startCompletion }])),
        lineNumbers(),
        highlightSpecialChars(),
        history(),
        drawSelection(),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        highlightActiveLine(),
        EditorView.lineWrapping,
        sql({ dialect: PostgreSQL }),
        syntaxHighlighting(highlight),
        autocompletion({ override: [complete], closeOnBlur: true, icons: false, activateOnTypingDelay: 120 }),
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...defaultKeymap, ...historyKeymap]),
        placeholder(area.placeholder),
        theme,
        EditorView.contentAttributes.of({ "aria-label": "SQL statement", spellcheck: "false" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) area.value = view.state.doc.toString();
        }),
      ],
    }),
  });
  area.after(host);
  area.hidden = true;
  host.focus = () => view.focus();
  host.addEventListener("insert", (event) => {
    view.dispatch(view.state.replaceSelection(event.detail));
    view.focus();
  });
  host.addEventListener("replace", (event) => {
    view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: event.detail } });
  });
  area.dispatchEvent(new CustomEvent("mounted", { bubbles: true, detail: host }));
}

for (const area of document.querySelectorAll("textarea[data-editor]")) mount(area);
