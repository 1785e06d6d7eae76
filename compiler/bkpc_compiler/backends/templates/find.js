(() => {
  const MOST = 200;
  const form = document.getElementById("find");
  const field = form.querySelector("input");
  const told = form.querySelector("output");
  const parts = [...document.querySelectorAll("details.part")].map((part) => ({
    part,
    first: part.open,
    rows: [...part.querySelectorAll("tbody tr")].map((row) => ({
      row,
      text: `${row.cells[0].textContent} ${row.cells[1].textContent} ${row.dataset.find ?? ""}`.toLowerCase(),
    })),
  }));
  const said = (found) => {
    if (found === 0) return "Nothing of this name.";
    if (found > MOST) return `The first ${MOST} of ${found.toLocaleString("en")}: more letters find fewer.`;
    return `${found} found.`;
  };
  const look = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { part, first, rows } of parts) {
      let shown = 0;
      for (const { row, text } of rows) {
        const hit = words.every((word) => text.includes(word));
        if (hit) found += 1;
        row.hidden = !hit || (words.length > 0 && found > MOST);
        if (!row.hidden) shown += 1;
      }
      part.hidden = shown === 0;
      part.open = words.length > 0 ? shown > 0 : first;
    }
    told.textContent = words.length > 0 ? said(found) : "";
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("input", look);
  form.hidden = false;
  if (field.value) look();
})();
