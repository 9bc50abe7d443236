/** Returns the object with one method replaced; the others work on the object itself. */
export function withMethod<Target extends object>(
  target: Target,
  name: keyof Target,
  method: unknown,
): Target {
  return new Proxy(target, {
    get(_, property) {
      if (property === name) return method
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
