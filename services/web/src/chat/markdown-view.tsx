import type { VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import { parseSpans } from "./markdown-spans.ts";
import { GrowingMarkdown, type Block, type ListItem } from "./markdown.ts";

/** Draws Markdown that may still grow. Blocks that are complete are not drawn anew. */
export function Markdown(props: { text: string; isComplete: boolean }) {
  const [growing] = useState(() => new GrowingMarkdown());
  const { blocks, rest } = growing.parse(props.text, props.isComplete);
  const first = blocks.find((block) => block.kind === "heading");
  const topLevel = first?.kind === "heading" ? first.level : 1;
  const last = blocks.at(-1)?.kind;
  const goesOnInside = last === "paragraph" || last === "heading" || last === "code";
  return (
    <>
      {blocks.map((block, index) => (
        <BlockView
          key={index}
          block={block}
          topLevel={topLevel}
          rest={goesOnInside && index === blocks.length - 1 ? rest : ""}
        />
      ))}
      {!goesOnInside && rest !== "" && <p class="unread">{rest}</p>}
    </>
  );
}

function BlockView(props: { block: Block; topLevel: number; rest: string }) {
  const { block, topLevel, rest } = props;
  // What is inside of a block is only read again where the block was.
  const inside = useMemo(() => insideOf(block, topLevel), [block, topLevel]);
  switch (block.kind) {
    // Level 1 is the question, so an answer's first heading is of level 2, whichever it says it is of.
    case "heading":
      return block.level <= topLevel ? <h2>{[inside, rest]}</h2> : <h3>{[inside, rest]}</h3>;
    case "paragraph":
      return <p>{[inside, rest]}</p>;
    case "code":
      return (
        <pre tabIndex={0} aria-label={block.language === "" ? "Code" : `Code, ${block.language}`}>
          <code>{[inside, rest]}</code>
        </pre>
      );
    default:
      return inside;
  }
}

function insideOf(block: Block, topLevel: number): VNode {
  switch (block.kind) {
    case "heading":
    case "paragraph":
      return <Spans text={block.text} />;
    case "code":
      return <>{block.text}</>;
    case "quote":
      return <blockquote>{drawBlocks(block.blocks, topLevel)}</blockquote>;
    case "list":
      return block.ordered ? (
        <ol start={block.start}>{drawItems(block.items, topLevel)}</ol>
      ) : (
        <ul>{drawItems(block.items, topLevel)}</ul>
      );
    case "table":
      return <TableView header={block.header} rows={block.rows} />;
    case "rule":
      return <hr />;
  }
}

function drawBlocks(blocks: readonly Block[], topLevel: number): VNode[] {
  return blocks.map((block, index) => <BlockView key={index} block={block} topLevel={topLevel} rest="" />);
}

function drawItems(items: readonly ListItem[], topLevel: number): VNode[] {
  return items.map(({ checked, blocks }, index) => {
    const [first, ...others] = blocks;
    const isLine = first?.kind === "paragraph";
    return (
      <li key={index} data-task={checked !== null}>
        {checked !== null && (
          <input type="checkbox" checked={checked} disabled aria-label={checked ? "Done" : "Not done"} />
        )}
        {isLine && <Spans text={first.text} />}
        {drawBlocks(isLine ? others : blocks, topLevel)}
      </li>
    );
  });
}

function TableView(props: { header: readonly string[]; rows: readonly (readonly string[])[] }) {
  return (
    <div class="table-scroll" tabIndex={0} role="group" aria-label="Table">
      <table>
        <thead>
          <tr>
            {props.header.map((cell, index) => (
              <th key={index} scope="col">
                <Spans text={cell} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, column) => (
                <td key={column}>
                  <Spans text={cell} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Spans(props: { text: string }) {
  return (
    <>
      {parseSpans(props.text).map((span, index) => {
        switch (span.kind) {
          case "code":
            return <code key={index}>{span.text}</code>;
          case "strong":
            return (
              <strong key={index}>
                <Spans text={span.text} />
              </strong>
            );
          case "emphasis":
            return <em key={index}>{span.text}</em>;
          case "link":
            return <Link key={index} text={span.text} href={span.href} />;
          case "text":
            return span.text;
        }
      })}
    </>
  );
}

/** Only web addresses become links: what a model writes is not trusted. */
function Link(props: { text: string; href: string }) {
  if (!/^https?:\/\//i.test(props.href)) return <span class="dead-link">{props.text}</span>;
  return (
    <a href={props.href} target="_blank" rel="noreferrer noopener">
      {props.text}
    </a>
  );
}
