const paths = {
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  edit: "M4 20h4L19 9l-4-4L4 16v4z",
  leave: "M14 4H5v16h9M10 12h10m-4-4l4 4-4 4",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-3.5 3-6 6.5-6s6.5 2.5 6.5 6M16 4.500a3.5 3.5 0 0 1 0 6.500M18 14.500c2 .8 3.5 2.8 3.5 5.5",
  plus: "M12 5v14M5 12h14",
  refresh: "M20 12a8 8 0 1 1-2.3-5.600M20 4v4.500h-4.5",
  send: "M4 12l16-8-5 16-3.5-6.500L4 12z",
  trash: "M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13",
};

/** Decoration only: the control around it carries the label. */
export function Icon({ name }: { name: keyof typeof paths }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
