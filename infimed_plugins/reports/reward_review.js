const pick = id => document.getElementById(id), rows = [...document.querySelectorAll("article")];
function show() {
  let shown = 0;
  for (const row of rows) {
    const fits = (!pick("task").value || row.dataset.task === pick("task").value)
      && (!pick("reason").value || row.dataset.reason === pick("reason").value)
      && (!pick("zeros").checked || row.dataset.zero === "1");
    row.hidden = !fits; shown += fits;
  }
  pick("count").textContent = shown + " shown";
}
["task", "reason", "zeros"].forEach(id => pick(id).addEventListener("change", show));
show();
