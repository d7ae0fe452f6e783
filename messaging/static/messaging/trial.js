// “Send me a test”: the text as typed, for the doctor shown, to an address of one's own.
import { byId, make } from "./dom.js";
import { ask } from "./preview.js";

/** `channel()`: of the template; `values()`: what is typed; `preview`: whose doctor is shown. */
export function offerTrial(url, addresses, channel, values, preview) {
    const form = byId("editor-trial");
    const opener = byId("editor-trial-open");
    const address = byId("editor-address");
    const told = byId("editor-told");
    const send = form.querySelector("button");
    let kind = "";
    const show = () => {
        opener.hidden = !channel();
        if (opener.hidden) form.hidden = true;
        const wanted = channel() === "email" ? "email" : "phone";
        if (opener.hidden || wanted === kind) return;
        kind = wanted;
        byId("editor-address-label").textContent = kind === "email" ? "Your e-mail address" : "Your mobile number";
        address.type = kind === "email" ? "email" : "tel";
        address.value = addresses[kind];
    };
    opener.addEventListener("click", () => {
        form.hidden = !form.hidden;
        opener.setAttribute("aria-expanded", String(!form.hidden));
        if (!form.hidden) address.focus();
    });
    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        if (send.disabled) return;
        send.disabled = true;
        told.dataset.level = "";
        told.textContent = "On its way…";
        const sent = values();
        for (const [name, value] of Object.entries({ ...preview.whom, address: address.value })) sent.set(name, value);
        try {
            const { level, words, kept } = await ask(url, sent);
            told.dataset.level = level;
            told.textContent = words;
            if (kept) told.append(" ", make("a", { class: "editor-away", href: kept, target: "_blank" }, "Open it (new tab)"));
        } catch (error) {
            told.dataset.level = "error";
            told.textContent = error.message;
        } finally {
            send.disabled = false;
        }
    });
    show();
    return show;
}
