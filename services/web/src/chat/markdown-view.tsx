import type { VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import { GrowingMarkdown, parseSpans, type Block, type ListItem } from "./markdown.ts";

/** Text that may still grow. Blocks that are complete are not drawn anew. */
export function Markdown(props: { text: string }) {
  const [growing] = useState(() => new GrowingMarkdown());
  const blocks = growing.parse(props.text);
  const first = blocks.find((block) => block.kind === "heading");
  const topLevel = first?.kind === "heading" ? first.level : 1;
  return (
    <>
      {blocks.map((block, index) => (
        <BlockView key={index} block={block} topLevel={topLevel} />
      ))}
    </>
  );
}

function BlockView(props: { block: Block; topLevel: number }) {
  const { block, topLevel } = props;
  return useMemo(() => drawBlock(block, topLevel), [block, topLevel]);
}

function drawBlock(block: Block, topLevel: number): VNode {
  switch (block.kind) {
    case "heading":
      return drawHeading(block.level <= topLevel, block.text);
    case "paragraph":
      return (
        <p>
          <Spans text={block.text} />
        </p>
      );
    case "code":
      return (
        <pre tabIndex={0} aria-label={block.language === "" ? "Code" : `Code, ${block.language}`}>
          <code>{block.text}</code>
        </pre>
      );
    case "quote":
      return (
        <blockquote>
          <Spans text={block.text} />
        </blockquote>
      );
    case "list":
      return block.ordered ? (
        <ol start={block.start}>{drawItems(block.items)}</ol>
      ) : (
        <ul>{drawItems(block.items)}</ul>
      );
    case "table":
      return <TableView header={block.header} rows={block.rows} />;
    case "rule":
      return <hr />;
  }
}

/** Level 1 is the question, so an answer's first heading is of level 2, whichever it says it is of. */
function drawHeading(isTop: boolean, text: string): VNode {
  const spans = <Spans text={text} />;
  return isTop ? <h2>{spans}</h2> : <h3>{spans}</h3>;
}

function drawItems(items: readonly ListItem[]): VNode[] {
  return items.map(({ depth, text }, index) => (
    <li key={index} data-depth={Math.min(depth, 3)}>
      <Spans text={text} />
    </li>
  ));
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

/** A model's word is not trusted: only web addresses become links. */
function Link(props: { text: string; href: string }) {
  if (!/^https?:\/\//i.test(props.href)) return <span class="dead-link">{props.text}</span>;
  return (
    <a href={props.href} target="_blank" rel="noreferrer noopener">
      {props.text}
    </a>
  );
}
