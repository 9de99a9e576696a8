// Only what makes the pages quicker; every page works without it.
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const field = document.querySelector(".find input");
  if (field) { event.preventDefault(); field.focus(); field.select(); }
});
// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});
// A file goes in parts, each as large as a form may be.
const PART_BYTES = 42000;
const asText = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const send = async (address, fields) => {
  const answer = await fetch(address, { method: "POST", body: new URLSearchParams(fields) });
  if (!answer.ok) throw new Error(answer.status);
  return answer;
};
document.addEventListener("submit", async (event) => {
  const form = event.target;
  const file = form.dataset.upload && form.querySelector("input[type=file]").files[0];
  if (!file) return;
  event.preventDefault();
  const [progress, failed] = [form.querySelector("progress"), form.querySelector("[data-said=failed]")];
  failed.hidden = true;
  progress.hidden = false;
  form.elements.name.value = file.name;
  form.elements.pasted.value = "";
  try {
    const csrf = form.elements.csrf.value;
    const { url } = await send(form.action, new FormData(form));
    const parts = Math.ceil(file.size / PART_BYTES);
    for (let part = 0; part < parts; part += 1) {
      const slice = file.slice(part * PART_BYTES, (part + 1) * PART_BYTES);
      const content = asText(new Uint8Array(await slice.arrayBuffer()));
      await send(url, { csrf, part, content });
      progress.value = (part + 1) / parts;
    }
    await send(url, { csrf, parts });
    location.assign(url);
  } catch {
    failed.hidden = false;
    progress.hidden = true;
    delete form.dataset.sent;
  }
});
