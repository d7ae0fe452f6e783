// The steps of a campaign as a grid of days and channels. It is made of the fields of the table
// below it and writes back into them: there is one form, saved and checked as without the script.
import { byId, make } from "../messaging/dom.js";
import { icon, labelled, press, wide } from "./sequence-parts.js";

const data = JSON.parse(byId("sequence-data").textContent);
const box = byId("sequence");
const table = box.parentElement.querySelector(".formset-wrapper");
const said = make("p", { class: "sequence-said", role: "status" });
const order = data.channels.map((channel) => channel.key);
const label = Object.fromEntries(data.channels.map((channel) => [channel.key, channel.label]));
const empty = new Set(); // days without a step, opened to put one there
let figures = {};
let dragged = null;
let isTable = false;

// --- A step: a row of the table, or what the server told where the table can't be edited ---------

class Step {
    constructor(row, id) {
        Object.assign(this, { row, id, known: data.steps[id], isOpen: false });
        const first = row && row.querySelector("[name$='-delay_days']");
        this.errors = (first && data.errors[first.name.replace(/-delay_days$/, "")]) || [];
        this.isOpen = this.errors.length > 0;
    }

    field(name) {
        return this.row && this.row.querySelector(`[name$='-${name}']`);
    }

    get(name, known) {
        const field = this.field(name);
        return field ? field.value : (this.known?.[known] ?? "");
    }

    set(name, value) {
        const field = this.field(name);
        if (!field || field.value === String(value)) return;
        field.value = value;
        field.dispatchEvent(new Event("input", { bubbles: true }));
        field.dispatchEvent(new Event("change", { bubbles: true }));
    }

    get day() { return Number(this.get("delay_days", "day")); }
    get key() { return this.get("template", "template"); }
    get template() { return data.templates[this.key]; }
    get channel() { return this.template?.channel ?? order[0]; }
    get place() { return Number(this.get("sequence_order", "place") || 1e6); }
    get subject() { return this.get("subject_line", "subject"); }
    get hour() { return this.get("send_from", "hour").slice(0, 5); }
    get name() { return `${label[this.channel]} of day ${this.day}`; }

    get isRemoved() {
        const box = this.field("DELETE");
        return Boolean(box && box.checked) || (this.row !== null && !this.id && !this.key);
    }

    /** A saved step is marked to be deleted; a new one is emptied, which saves nothing. */
    remove(yes = true) {
        const mark = this.field("DELETE");
        if (mark && this.id) {
            mark.checked = yes;
            mark.dispatchEvent(new Event("change", { bubbles: true }));
        } else {
            for (const name of ["template", "delay_days", "subject_line", "send_from", "sequence_order"]) this.set(name, "");
        }
    }

    /** What a running A/B test compares with stays as it is; the server refuses it as well. */
    get isLocked() { return (this.known?.tests ?? []).some((test) => test.running); }

    get isMoved() {
        const was = this.known;
        return !was || was.day !== this.day || was.template !== this.key || was.hour !== this.hour;
    }
}

const rows = () => [...table.querySelectorAll("tbody.form-group:not(.empty-form)")];
let steps = [];

function read() {
    if (!data.editable) return Object.keys(data.steps).map((id) => new Step(null, id));
    const known = new Map(steps.map((step) => [step.row, step]));
    return rows().map((row) => known.get(row) ?? new Step(row, row.querySelector("[name$='-id']")?.value));
}

const byOrder = (a, b) => a.day - b.day || order.indexOf(a.channel) - order.indexOf(b.channel) || a.place - b.place;
const living = () => steps.filter((step) => !step.isRemoved).sort(byOrder);
const days = () => [...new Set([...living().map((step) => step.day), ...empty])].sort((a, b) => a - b);

/** Number the steps by day and channel, as the engine goes through them, and say what was done. */
function changed(words) {
    living().forEach((step, index) => step.set("sequence_order", index + 1));
    draw();
    said.textContent = `${words} Save to keep it.`;
}

// --- What can be done ----------------------------------------------------------------------------

function isDay(day) {
    if (Number.isInteger(day) && day >= 0 && day <= 365) return true;
    draw();
    said.textContent = "A day is a whole number from 0 to 365.";
    return false;
}

/** What a field for a day says; NaN where it is empty, which is no day. */
const typed = (input) => (input.value === "" ? NaN : Number(input.value));

function moveStep(step, day) {
    if (!isDay(day) || day === step.day) return;
    empty.delete(day);
    step.set("delay_days", day);
    changed(`${label[step.channel]} is on day ${day} now.`);
}

/** The day before or after; beyond the ends a day is added. */
function neighbour(day, by) {
    const all = days();
    return all[all.indexOf(day) + by] ?? Math.max(0, day + by);
}

/** A day from which a running A/B test lets nothing be moved. */
const isFixed = (day) => living().some((step) => step.day === day && step.isLocked);

/** Whether one of these days is fixed, which is said. */
function isHeld(found) {
    const day = found.find(isFixed);
    if (day === undefined) return false;
    draw();
    said.textContent = `A step of day ${day} is in a running A/B test, so that day stays where it is. End the test first, or move other steps one by one.`;
    return true;
}

function moveDay(from, to) {
    if (!isDay(to) || to === from || isHeld([from])) return;
    living().filter((step) => step.day === from).forEach((step) => step.set("delay_days", to));
    if (empty.delete(from)) empty.add(to);
    changed(`What was on day ${from} is on day ${to} now.`);
}

/** Put one day's messages in the place of another's: those between move up or down by one. */
function reorderDays(from, to) {
    const all = days();
    const [start, end] = [all.indexOf(from), all.indexOf(to)];
    if (start === end || start < 0 || end < 0) return;
    if (isHeld(all.slice(Math.min(start, end), Math.max(start, end) + 1))) return;
    const contents = all.map((day) => living().filter((step) => step.day === day));
    contents.splice(end, 0, ...contents.splice(start, 1));
    empty.clear();
    contents.forEach((group, index) => {
        group.forEach((step) => step.set("delay_days", all[index]));
        if (!group.length) empty.add(all[index]);
    });
    changed(`What was on day ${from} is on day ${to} now.`);
}

function add(day, key) {
    const total = table.querySelector("[name$='-TOTAL_FORMS']");
    const blank = table.querySelector("tbody.empty-form");
    const row = blank.cloneNode(true);
    row.classList.remove("empty-form", "last");
    for (const element of [row, ...row.querySelectorAll("*")]) {
        for (const attribute of ["id", "name", "for"]) {
            const value = element.getAttribute(attribute);
            if (value) element.setAttribute(attribute, value.replace("__prefix__", total.value));
        }
    }
    blank.before(row);
    total.value = Number(total.value) + 1;
    steps = read();
    const step = steps.find((one) => one.row === row);
    step.set("template", key);
    step.set("delay_days", day);
    empty.delete(day);
    changed(`${step.name} is added.`);
}

// --- What is seen --------------------------------------------------------------------------------

/** Something that a pointer drags; who has no pointer has buttons and numbers beside it. */
function handle(words, start, whole) {
    const grip = make("span", { class: "sequence-handle", draggable: "true", title: words, "aria-hidden": "true" }, icon("drag_indicator"));
    grip.addEventListener("dragstart", (event) => {
        dragged = start;
        event.dataTransfer.effectAllowed = "move";
        event.dataTransfer.setData("text/plain", words);
        event.dataTransfer.setDragImage(whole(), 10, 10);
        box.dataset.dragging = start.step ? start.step.channel : "day";
    });
    grip.addEventListener("dragend", () => {
        dragged = null;
        delete box.dataset.dragging;
    });
    return grip;
}

function takesDrops(element, fits, drop) {
    element.addEventListener("dragover", (event) => {
        if (!dragged || !fits(dragged)) return;
        event.preventDefault();
        element.classList.add("sequence-over");
    });
    element.addEventListener("dragleave", (event) => {
        if (!element.contains(event.relatedTarget)) element.classList.remove("sequence-over");
    });
    element.addEventListener("drop", (event) => {
        element.classList.remove("sequence-over");
        if (!dragged || !fits(dragged)) return;
        event.preventDefault();
        drop(dragged);
    });
}

const runs = (found) => found.map(([words, name]) => (name ? make("span", { class: "sequence-value", title: `Example for {{${name}}}` }, words) : words));

const mark = (kind, ...content) => make("p", { class: `sequence-mark sequence-${kind}` }, ...content);

function marks(step) {
    const found = step.errors.map((words) => mark("bad", words));
    const { template, known } = step;
    if (template?.problem) found.push(mark("bad", template.problem));
    if (known?.never && !step.isMoved) found.push(mark("bad", `${known.never} `, make("a", { href: "../preflight/#mends" }, "See what would help")));
    else if (known?.never) found.push(mark("note", "Save to see whether it can go out now."));
    for (const test of known?.tests ?? []) {
        found.push(mark("note", "A/B test: ", make("a", { href: test.url }, test.name), ` (${test.state.toLowerCase()})`));
    }
    return found;
}

function counts(step) {
    const parts = (figures[step.id] ?? []).map((part) => (part.url ? make("a", { href: part.url }, part.text) : part.text));
    return parts.length ? [make("p", { class: "sequence-counts" }, ...parts.flatMap((part) => [" · ", part]).slice(1))] : [];
}

function choices(channel, chosen) {
    const own = Object.entries(data.templates).filter(([, template]) => template.channel === channel);
    return own.map(([key, template]) => make("option", { value: key, selected: key === chosen }, `${template.number}. ${template.title}`));
}

function form(step, focus) {
    const day = make("input", { type: "number", min: 0, max: 365, value: step.day, "data-focus": `${focus}:day` });
    day.addEventListener("change", () => moveStep(step, typed(day)));
    const text = make("select", { "data-focus": `${focus}:text` }, ...choices(step.channel, step.key));
    text.addEventListener("change", () => {
        step.set("template", text.value);
        changed(`${step.name} has another text.`);
    });
    const hour = make("input", { type: "time", value: step.hour, "data-focus": `${focus}:hour` });
    hour.addEventListener("change", () => step.set("send_from", hour.value));
    const fields = [labelled("Day", day), labelled("Text", text)];
    if (step.channel === "email") {
        const subject = make("input", { type: "text", value: step.subject, placeholder: "as in the template", "data-focus": `${focus}:subject` });
        subject.addEventListener("input", () => step.set("subject_line", subject.value));
        subject.addEventListener("change", () => draw());
        fields.push(labelled("Subject", subject));
    }
    fields.push(labelled("Sent from (empty: as the campaign)", hour));
    const details = make("details", { open: step.isOpen, class: "sequence-form" }, make("summary", { "data-focus": `${focus}:open` }, "Change"), ...fields);
    details.addEventListener("toggle", () => { step.isOpen = details.open; });
    for (const field of details.querySelectorAll("input")) {
        // Enter would save the whole page; here it means: that is my day.
        field.addEventListener("keydown", (event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            field.dispatchEvent(new Event("change"));
        });
    }
    return details;
}

function card(step) {
    const focus = `step${steps.indexOf(step)}`;
    const { template } = step;
    const element = make("article", { class: "sequence-card", "aria-label": step.name });
    const title = make("a", { href: template?.url ?? "#", class: "sequence-title" }, template?.title ?? "No text chosen");
    const head = make("header", {}, title);
    if (data.editable && !step.isLocked) {
        head.prepend(handle(`Drag ${step.name} to another day`, { step }, () => element));
        head.append(
            press(`Earlier: ${step.name}`, "arrow_upward", `${focus}:earlier`, () => moveStep(step, neighbour(step.day, -1)), { disabled: step.day === 0 }),
            press(`Later: ${step.name}`, "arrow_downward", `${focus}:later`, () => moveStep(step, neighbour(step.day, 1))),
            press(`Remove ${step.name}`, "close", `${focus}:remove`, () => {
                const name = step.name;
                empty.add(step.day);
                step.remove();
                changed(`${name} is removed.`);
            }),
        );
    }
    element.append(make("p", { class: "sequence-channel" }, label[step.channel]), head);
    if (step.channel === "email") {
        const own = step.subject ? [step.subject] : runs(template?.subject ?? []);
        element.append(make("p", { class: "sequence-subject" }, ...own));
    }
    if (step.hour) element.append(make("p", { class: "sequence-counts" }, `from ${step.hour}`));
    element.append(make("p", { class: "sequence-text" }, ...runs(template?.text ?? [])), ...marks(step), ...counts(step));
    if (data.editable && !step.isLocked) element.append(form(step, focus));
    if (step.known?.test && !step.known.tests.length) element.append(make("a", { class: "sequence-test", href: step.known.test }, "Test this step"));
    return element;
}

function adder(day, channel, isTaken) {
    const first = make("option", { value: "" }, isTaken ? "+ another" : `+ Add ${label[channel]}`);
    const words = `Add ${label[channel]} on day ${day}`;
    const select = make("select", { class: "sequence-add", "aria-label": words, "data-focus": `add:${day}:${channel}` }, first, ...choices(channel, ""));
    select.addEventListener("change", () => select.value && add(day, select.value));
    return select;
}

function row(day, all) {
    const section = make("section", { class: "sequence-day", "aria-label": `Day ${day}` });
    const head = make("div", { class: "sequence-head" });
    if (data.editable && !isFixed(day)) {
        const input = make("input", { type: "number", min: 0, max: 365, value: day, "aria-label": `Day of all that is on day ${day}`, "data-focus": `day${day}:number` });
        input.addEventListener("change", () => moveDay(day, typed(input)));
        input.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), input.blur()));
        const at = all.indexOf(day);
        head.append(
            handle(`Drag day ${day} to another place`, { day }, () => section),
            make("strong", {}, "Day"), input,
            press(`Day ${day} earlier`, "arrow_upward", `day${all[at - 1]}:earlier`, () => reorderDays(day, all[at - 1]), { disabled: at === 0 }),
            press(`Day ${day} later`, "arrow_downward", `day${all[at + 1]}:later`, () => reorderDays(day, all[at + 1]), { disabled: at === all.length - 1 }),
        );
    } else head.append(make("strong", {}, `Day ${day}`));
    section.append(head);
    takesDrops(section, (what) => what.day !== undefined && what.day !== day, (what) => reorderDays(what.day, day));
    for (const channel of order) {
        const own = living().filter((step) => step.day === day && step.channel === channel);
        const cell = make("div", { class: "sequence-cell", "data-channel": channel, "data-day": day }, ...own.map(card));
        if (data.editable) {
            cell.append(adder(day, channel, own.length > 0));
            takesDrops(cell, (what) => what.step?.channel === channel && what.step.day !== day, (what) => moveStep(what.step, day));
        }
        section.append(cell);
    }
    return section;
}

function foot(all) {
    const next = all.length ? Math.min(365, all.at(-1) + 3) : 0;
    const input = make("input", { type: "number", min: 0, max: 365, value: next, "aria-label": "Day to add", "data-focus": "new:day" });
    const open = () => {
        const day = typed(input);
        if (!isDay(day) || days().includes(day)) return;
        empty.add(day);
        draw();
        box.querySelector(`[data-focus="add:${day}:${order[0]}"]`)?.focus();
    };
    input.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), open()));
    return make("div", { class: "sequence-foot" }, input, wide("Add a day", "new:add", open), said);
}

function removed() {
    const gone = steps.filter((step) => step.id && step.isRemoved);
    return gone.map((step) => {
        const undo = wide("Keep it", `keep${step.id}`, () => {
            step.remove(false);
            changed(`${step.name} stays.`);
        });
        const why = step.errors.map((words) => mark("bad", words));
        return make("div", { class: "sequence-gone" }, ...why, `${step.name} goes when you save. `, undo);
    });
}

function toggle() {
    return wide(isTable ? "Show as a grid" : "Show as a table", "toggle", () => {
        isTable = !isTable;
        draw();
    });
}

function draw() {
    const focus = document.activeElement?.dataset?.focus;
    steps = read();
    table.hidden = !isTable;
    const all = days();
    const titles = make("div", { class: "sequence-titles", "aria-hidden": "true" }, make("span", {}, "Day"), ...data.channels.map((channel) => make("span", {}, channel.label)));
    box.style.setProperty("--channels", order.length);
    const problems = data.problems.map((words) => mark("bad", words));
    const grid = isTable ? problems : [...problems, titles, ...all.map((day) => row(day, all)), ...removed()];
    const end = data.editable && !isTable ? [foot(all)] : [];
    if (!isTable && !all.length) grid.push(make("p", { class: "sequence-none" }, data.editable ? "No steps yet. Add a day, then choose a text for a channel." : "No steps."));
    box.replaceChildren(...grid, ...end, toggle());
    if (focus) box.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
}

async function count() {
    const answer = await fetch(data.figures, { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) return;
    figures = (await answer.json()).steps;
    if (!box.contains(document.activeElement)) draw();
}

steps = read();
box.hidden = false;
box.parentElement.querySelector(".sequence-hint")?.remove();
draw();
count().catch(() => {}); // the grid does without
