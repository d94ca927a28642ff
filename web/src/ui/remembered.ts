// Who is signed in belongs to the tab, so that two tabs can be two people.

const key = "carillon.user";

export function wantedUser(): string | undefined {
  return new URLSearchParams(location.search).get("user") || sessionStorage.getItem(key) || undefined;
}

export function rememberUser(userId: string): void {
  sessionStorage.setItem(key, userId);
}

export function forgetUser(): void {
  sessionStorage.removeItem(key);
}

/** Back to the choice of users. A fresh page, so nothing of the old session is left. */
export function switchUser(): void {
  forgetUser();
  location.assign(location.pathname);
}
