// Only what makes the pages quicker; every page works without it.
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = document.querySelector(".find input");
  if (search) { event.preventDefault(); search.focus(); search.select(); }
});
// Below the search field, htmx shows what may come next; arrows or a press choose from it.
const field = document.querySelector(".find input");
const list = document.getElementById("suggest");
if (field && list) {
  const options = () => [...list.children];
  const chosen = () => options().findIndex((each) => each.getAttribute("aria-selected") === "true");
  const choose = (place) => {
    options().forEach((each, at) => each.setAttribute("aria-selected", at === place));
    if (place < 0) field.removeAttribute("aria-activedescendant");
    else field.setAttribute("aria-activedescendant", options()[place].id);
  };
  const open = (is) => {
    list.hidden = !is;
    field.setAttribute("aria-expanded", is);
    if (!is) choose(-1);
  };
  const take = (option) => {
    field.value = option.dataset.search;
    open(false);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  document.addEventListener("htmx:after:swap", () => open(list.children.length > 0 && document.activeElement === field));
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) take(option);
  });
  field.addEventListener("blur", () => open(false));
  // Filters and numbers read from left to right on a page from right to left, too.
  const turn = () => { field.dir = field.value && !/[\u0590-\u08ff]/.test(field.value) ? "ltr" : ""; };
  field.addEventListener("input", turn);
  turn();
  field.addEventListener("keydown", (event) => {
    const many = options().length;
    if (list.hidden || !many) return;
    const place = chosen();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) choose((place + step + many + (place < 0 && step < 0 ? 1 : 0)) % many);
    else if (event.key === "Enter" && place >= 0) take(options()[place]);
    else if (event.key === "Tab" && !event.shiftKey && field.value) take(options()[Math.max(0, place)]);
    else if (event.key === "Escape") open(false);
    else return;
    event.preventDefault();
  });
}
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
