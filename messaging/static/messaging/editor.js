// The page of a template: its form, and the panel beside it.
import { showCatalogue } from "./catalogue.js";
import { showDefaults } from "./defaults.js";
import { findDoctors } from "./doctors.js";
import { button, byId } from "./dom.js";
import { Preview } from "./preview.js";
import { offerTrial } from "./trial.js";

const data = JSON.parse(byId("editor-data").textContent);
const form = byId("messagetemplate_form");
const field = (name) => form.elements.namedItem(name);
const channel = () => data.channel || field("channel")?.value || "";
const segment = () => data.segment || field("segment_type")?.value || "";
const SENT = ["csrfmiddlewaretoken", "channel", "segment_type", "template_content", "subject_line", "preheader", "defaults", "max_sms_segments"];

/** What is typed, as the server wants it. */
function values() {
    const typed = new FormData();
    if (data.template) typed.set("template", data.template);
    for (const name of SENT) {
        const found = field(name);
        if (found && !found.disabled) typed.set(name, found.value);
    }
    return typed;
}

// --- what is typed into ---------------------------------------------------------------------

const texts = [...form.querySelectorAll("[data-editor-field]")];
const names = { template_content: "the text", subject_line: "the subject", preheader: "the preview line" };
const touched = new Set(); // a field that nobody has been in has its cursor at the front
let target = field("template_content");

function aim(at) {
    target = at;
    const place = touched.has(target) ? "where the cursor is" : "at its end";
    byId("editor-target").textContent = target ? `A click puts it into ${names[target.name]}, ${place}.` : "";
}

/** Put words at the cursor, as if they were typed: they can be undone. */
function insert(words) {
    if (!target) return;
    closePanel();
    if (!touched.has(target)) target.setSelectionRange(target.value.length, target.value.length);
    target.focus();
    const text = target.tagName === "INPUT" ? words.replaceAll("\n", "") : words;
    if (!document.execCommand("insertText", false, text)) {
        target.setRangeText(text, target.selectionStart, target.selectionEnd, "end");
        target.dispatchEvent(new Event("input", { bubbles: true }));
    }
}

/** Write plain characters in place of those that force UCS-2. */
function replace(found) {
    const text = field("template_content");
    if (!text) return;
    const plain = found.reduce((words, { char, plain: with_ }) => words.replaceAll(char, with_), text.value);
    text.focus();
    text.select();
    if (!document.execCommand("insertText", false, plain)) text.value = plain;
    text.dispatchEvent(new Event("input", { bubbles: true }));
}

// --- the panel on a small screen ------------------------------------------------------------

function openPanel() {
    document.body.classList.add("editor-panel-is-open");
    byId("editor-panel").querySelector("[data-close]").focus();
}

function closePanel() {
    if (!document.body.classList.contains("editor-panel-is-open")) return;
    document.body.classList.remove("editor-panel-is-open");
    target?.focus();
}

// --- together -------------------------------------------------------------------------------

const preview = new Preview(data.urls.preview, values, replace);
const showVariables = showCatalogue(data.variables, segment, insert);
const showTrial = data.mayTest ? offerTrial(data.urls.trial, data.addresses, channel, values, preview) : () => {};
const withDefault = () => data.variables.filter((each) => each.kind !== "list" && (!segment() || each.segments.includes(segment()))).map((each) => each.name);

/** Show the fields that the channel has; the others are not sent. */
function showFields() {
    for (const name of new Set(Object.values(data.notFor).flat())) {
        const found = field(name);
        if (!found) continue;
        found.disabled = (data.notFor[channel()] ?? []).includes(name);
        const row = found.closest(".field-row, .form-row") ?? found.closest(".group")?.parentElement;
        if (row) row.hidden = found.disabled;
    }
}

for (const text of texts) {
    text.addEventListener("focus", () => {
        touched.add(text);
        aim(text);
    });
}
for (const name of ["channel", "segment_type"]) {
    field(name)?.addEventListener("change", () => {
        showFields();
        showVariables();
        showTrial();
        preview.choose({ place: 1 });
    });
}
form.addEventListener("input", () => preview.changed());
// Who may only look has nothing to put a variable into.
byId("editor-catalogue").hidden = !texts.length;
byId("editor-find").hidden = !data.maySeeDoctors;
findDoctors(data.urls.doctors, values, (whom) => preview.choose(whom));
if (field("defaults")) showDefaults(field("defaults"), withDefault, () => preview.changed());
if (field("template_content")) field("template_content").after(button("Variables and preview", openPanel, { class: "editor-button editor-open" }));
byId("editor-panel").querySelector("[data-close]").addEventListener("click", closePanel);
document.addEventListener("keydown", (event) => event.key === "Escape" && closePanel());
aim(target);
showFields();
// An audience check's link names the doctor to show.
const linked = new URLSearchParams(location.search).get("doctor");
if (linked) preview.choose({ doctor: linked, counted: 1 });
else preview.load();
