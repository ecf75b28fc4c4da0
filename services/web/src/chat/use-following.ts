import { useCallback, useEffect, useRef, useState } from "preact/hooks";

const NEAR_PX = 160;

/** Keeps the end of a growing text in view, until the reader scrolls away from it. */
export function useFollowing(content: unknown, isGrowing: boolean) {
  const [isAtEnd, setAtEnd] = useState(true);
  const wasGrowing = useRef(isGrowing);
  const scrollToEnd = useCallback(() => window.scrollTo({ top: document.documentElement.scrollHeight }), []);

  useEffect(() => {
    const look = (): void => {
      const { scrollHeight, clientHeight } = document.documentElement;
      setAtEnd(scrollHeight - clientHeight - window.scrollY < NEAR_PX);
    };
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, []);

  useEffect(() => {
    // The last growth brings the end with it; an answer that had ended before is read from its beginning.
    if (isAtEnd && (isGrowing || wasGrowing.current)) scrollToEnd();
    wasGrowing.current = isGrowing;
  }, [content]);

  return { isAtEnd, scrollToEnd };
}
