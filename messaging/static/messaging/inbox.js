// The box in which a doctor is answered: counts while one types, sends once, and tells what became of it.
const ASK_EVERY = 2000; // milliseconds
const ASK_TIMES = 90; // then the page stands as it is

const gsm = document.getElementById("inbox-gsm");
const alphabet = gsm && JSON.parse(gsm.textContent);

/** How many SMS a text is, as messaging/sms.py counts. */
function parts(text) {
    const chars = [...text];
    const isGsm = chars.every((char) => alphabet.basic.includes(char) || alphabet.extension.includes(char));
    const widths = chars.map((char) => (isGsm ? (alphabet.extension.includes(char) ? 2 : 1) : char.length));
    const [alone, each] = alphabet.capacity[isGsm ? "GSM-7" : "UCS-2"];
    const total = widths.reduce((sum, width) => sum + width, 0);
    if (total <= alone) return total ? 1 : 0;
    let count = 1;
    let room = each;
    for (const width of widths) {
        if (width > room) [count, room] = [count + 1, each];
        room -= width;
    }
    return count;
}

function count(form, field) {
    const told = document.getElementById("inbox-count");
    const send = form.querySelector("button[type=submit]");
    const most = Number(form.dataset.most);
    const show = () => {
        const length = [...field.value.trim()].length;
        const sms = alphabet ? `, ${parts(field.value.trim())} SMS` : "";
        told.textContent = `${length.toLocaleString("en")} of ${most.toLocaleString("en")} characters${sms}`;
        told.classList.toggle("inbox-over", length > most);
        send.disabled = !length || length > most;
    };
    field.addEventListener("input", show);
    show();
    form.addEventListener("submit", () => { send.disabled = true; });
    window.addEventListener("pageshow", show); // back from the next page: the button works again
}

/** Look until the answer is no longer on its way, then show the page anew. */
async function wait(url) {
    for (let time = 0; time < ASK_TIMES; time += 1) {
        await new Promise((done) => { setTimeout(done, ASK_EVERY); });
        try {
            const answer = await fetch(url, { headers: { Accept: "application/json" } });
            if (answer.ok && !(await answer.json()).under_way) {
                location.reload();
                return;
            }
        } catch {
            // the next look may go through
        }
    }
}

const box = document.getElementById("inbox");
const form = box?.querySelector("form");
if (form) count(form, form.querySelector("textarea"));
if (box?.dataset.state) wait(box.dataset.state);
