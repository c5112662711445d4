import { useId } from "preact/hooks";
import { clockText } from "../text";

interface Line {
  name: string;
  values: number[];
}

interface Props {
  /** When each value was taken, oldest first. */
  times: number[];
  /** Two at most: the first is drawn solid and filled, the second dashed. */
  lines: Line[];
  text: (value: number) => string;
}

const WIDTH = 600;
const HEIGHT = 120;

/** Values over time, drawn and as a table. */
export function Chart({ times, lines, text }: Props) {
  const id = useId();
  if (times.length < 2) {
    return <p class="hint">The first values come after some ten seconds.</p>;
  }
  const most = Math.max(...lines.flatMap((line) => line.values), 1);
  const x = (at: number) => (at / (times.length - 1)) * WIDTH;
  const y = (value: number) => HEIGHT - (value / most) * (HEIGHT - 4) - 1;
  const path = (line: Line) =>
    line.values.map((value, at) => `${at === 0 ? "M" : "L"}${x(at)} ${y(value)}`).join("");
  const [first] = lines;
  return (
    <div class="chart">
      <div class="chart-legend" aria-hidden="true">
        {lines.map((line, at) => (
          <span key={line.name} class={`chart-key key-${at}`}>
            {line.name} {text(line.values.at(-1) ?? 0)}
          </span>
        ))}
        <span class="hint">top is {text(most)}</span>
      </div>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {first !== undefined && (
          <path class="chart-area" d={`${path(first)}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} />
        )}
        {lines.map((line, at) => (
          <path key={line.name} class={`chart-line line-${at}`} d={path(line)} />
        ))}
      </svg>
      <div class="chart-times" aria-hidden="true">
        <span>{clockText(times[0] ?? 0)}</span>
        <span>{clockText(times.at(-1) ?? 0)}</span>
      </div>
      <details>
        <summary>Show as table</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
        <section class="chart-table" tabIndex={0} aria-labelledby={id}>
          <table class="table">
            <caption class="visually-hidden" id={id}>
              Values over time, the latest first
            </caption>
            <thead>
              <tr>
                <th scope="col">Until</th>
                {lines.map((line) => (
                  <th key={line.name} scope="col" class="number">
                    {line.name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times
                .map((time, at) => (
                  <tr key={time}>
                    <th scope="row">{clockText(time)}</th>
                    {lines.map((line) => (
                      <td key={line.name} class="number">
                        {text(line.values[at] ?? 0)}
                      </td>
                    ))}
                  </tr>
                ))
                .reverse()}
            </tbody>
          </table>
        </section>
      </details>
    </div>
  );
}
