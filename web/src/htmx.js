// htmx swaps parts of a page. Its settings stand in base.html (<meta name="htmx-config">): no eval, no styles of its own.
import htmx from "htmx.org";

window.htmx = htmx;
