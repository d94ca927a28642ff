// Errors in words for the person in front of the page. The exception's own
// name and message follow, because the reader is often the developer too.

const plainWords: Record<string, string> = {
  BadRequestException: "The server did not accept this input.",
  ConflictException: "It already exists, or it was changed meanwhile.",
  ExpiredTokenException: "Your sign-in has expired.",
  ForbiddenException: "You are not allowed to do this.",
  NotFoundException: "It does not exist any more.",
  ResourceLimitExceededException: "A limit of the server is reached.",
  ServiceFailureException: "The server failed. Try again in a moment.",
  ServiceUnavailableException: "The server cannot do this at the moment.",
  ThrottledClientException: "Too many requests at once. Wait a moment and try again.",
  TimeoutError: "The server took too long to answer.",
  UnauthorizedClientException: "The server did not accept your sign-in.",
};

export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return `Something went wrong: ${String(error)}`;
  const detail = error.name === "Error" ? error.message : `${error.name}: ${error.message}`;
  const words = isNetworkFailure(error) ? "The server cannot be reached." : plainWords[error.name];
  return words === undefined ? detail : `${words} (${detail})`;
}

/** Browsers report a failed fetch as a TypeError with a text of their own. */
function isNetworkFailure(error: Error): boolean {
  return error.name === "TypeError" && /fetch|network|load failed/i.test(error.message);
}
