/**
 * Characters that MQTT advises against in a string, and lets a receiver close the connection for (1.5.3): control characters,
 * U+0001 to U+001F and U+007F to U+009F, and the code points that Unicode says are no characters.
 */
const inadvisable = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;

export function hasControlCharacter(text: string): boolean {
  return inadvisable.test(text);
}
