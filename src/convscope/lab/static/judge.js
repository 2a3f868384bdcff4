/** Its view is made soon. */
export function mount() {
  return { update() {}, unmount() {} };
}
