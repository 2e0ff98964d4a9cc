// The filters of a search: click one to turn it round, or take it away.
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".chips");
  const act = (kind, place) => setTriggerValue("action", { kind, place });
  root.replaceChildren(...data.chips.map((chip, place) => {
    const box = document.createElement("span");
    box.className = chip.is_excluded ? "chip is-excluded" : "chip";
    const turn = document.createElement("button");
    turn.type = "button";
    turn.title = chip.is_excluded ? `Show only ${chip.text}` : `Exclude ${chip.text}`;
    turn.onclick = () => act("toggle", place);
    if (chip.is_excluded) {
      const not = document.createElement("span");
      not.className = "not";
      not.textContent = "NOT";
      turn.append(not);
    }
    turn.append(document.createTextNode(chip.text));
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "remove";
    remove.textContent = "✕";
    remove.setAttribute("aria-label", `Remove the filter ${chip.text}`);
    remove.onclick = () => act("remove", place);
    box.append(turn, remove);
    return box;
  }));
}
