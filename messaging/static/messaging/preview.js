// Asks the server what the text would be, a moment after each change, and shows the answer.
import { byId, make } from "./dom.js";
import { parts } from "./parts.js";

const WAIT = 300; // ms without a key
const FIELDS = { template_content: "Text", subject_line: "Subject", preheader: "Preview line", defaults: "Defaults", max_sms_segments: "SMS allowed" };

/** POST the values; the JSON answer, or an error in words. */
export async function ask(url, values, signal) {
    const response = await fetch(url, { method: "POST", body: values, signal, headers: { Accept: "application/json" } });
    if (response.redirected) throw new Error("You are logged out. Log in again in another tab; your text stays here.");
    if (response.status === 403) throw new Error("You may not do this.");
    if (!response.ok) throw new Error(`The server answered with an error (${response.status}).`);
    return response.json();
}

export class Preview {
    /** `values()`: what is typed, as FormData; `replace`: see parts.js. */
    constructor(url, values, replace) {
        this.url = url;
        this.values = values;
        this.replace = replace;
        this.whom = { place: 1 }; // or { doctor }
        this.person = {};
        for (const step of document.querySelectorAll("[data-step]")) {
            step.addEventListener("click", () => this.choose({ place: (this.person.place ?? 1) + Number(step.dataset.step) }));
        }
    }

    /** Show another doctor, by key or by place. */
    choose(whom) {
        this.whom = whom;
        this.load();
    }

    /** Somebody types: ask when they rest. */
    changed() {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.load(), WAIT);
    }

    async load() {
        clearTimeout(this.timer);
        this.asked?.abort();
        const asked = (this.asked = new AbortController());
        const values = this.values();
        for (const [name, value] of Object.entries(this.whom)) values.set(name, value);
        byId("editor-parts").classList.add("editor-is-old");
        try {
            const found = await ask(this.url, values, asked.signal);
            if (asked === this.asked) this.show(found);
        } catch (error) {
            if (error.name !== "AbortError") this.tell("error", error.message);
        }
    }

    tell(level, words) {
        const note = byId("editor-note");
        if (note.textContent !== words) note.textContent = words;
        note.dataset.level = level;
    }

    show(found) {
        if (!found.channel) {
            this.tell("", found.note);
            byId("editor-findings").replaceChildren();
            byId("editor-parts").replaceChildren();
            return;
        }
        this.showPerson(found.person);
        const said = [found.verdict, found.person.note].filter(Boolean).join(" ");
        this.tell(found.skipped ? "error" : found.verdict ? "warning" : "", said);
        byId("editor-findings").replaceChildren(...found.findings.map((finding) =>
            make("li", { "data-level": finding.level }, make("strong", {}, `${finding.level === "error" ? "Error" : "Warning"}: ${FIELDS[finding.field] ?? finding.field}`), finding.words)));
        const shown = byId("editor-parts");
        const at = shown.querySelector(".editor-plain")?.scrollTop ?? 0;
        shown.replaceChildren(...parts(found.channel, found.parts, this.replace));
        shown.classList.remove("editor-is-old");
        const plain = shown.querySelector(".editor-plain");
        if (plain) plain.scrollTop = at;
    }

    showPerson(person) {
        // Places are counted when somebody moves, not with every key.
        const isSame = person.doctor === this.person.doctor && person.place === null;
        this.person = isSame ? { ...person, place: this.person.place, count: this.person.count } : person;
        const { doctor, place, count, name } = this.person;
        if (doctor) this.whom = { doctor };
        byId("editor-name").textContent = name;
        byId("editor-place").textContent = doctor && count ? `${place.toLocaleString("en")} of ${count.toLocaleString("en")}` : "";
        document.querySelector('[data-step="-1"]').disabled = !doctor || place <= 1;
        document.querySelector('[data-step="1"]').disabled = !doctor || place >= count;
    }
}
