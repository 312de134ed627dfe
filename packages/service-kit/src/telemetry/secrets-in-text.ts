const patterns: readonly (readonly [RegExp, string])[] = [
  [/pfk_(live|test)_[0-9A-Za-z]{8,}/g, "pfk_$1_[secret]"],
  [/whsec_[0-9A-Za-z+/_-]{8,}=*/g, "whsec_[secret]"],
  // The password of a connection URL.
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:@/"]*:)[^\s@/"]+@/g, "$1[secret]@"],
];

/** 13 to 19 digits, in one piece or in groups, that begin as cards do (ISO/IEC 7812), outside of words. */
const cardLike = /(?<![\w.])[2-6](?:[ -]?\d){12,18}(?![\w])/g;

/**
 * The text with API keys, signing secrets, passwords in URLs, card numbers and the given values cut out.
 * Times, ids and amounts stay: a number counts as a card's only when its check digit fits.
 */
export function withoutSecrets(text: string, values: readonly string[] = []): string {
  let clean = text;
  for (const value of values) if (clean.includes(value)) clean = clean.replaceAll(value, "[secret]");
  for (const [pattern, replacement] of patterns) clean = clean.replace(pattern, replacement);
  return clean.replace(cardLike, (number) => (hasCheckDigit(number) ? "[card]" : number));
}

/** The Luhn check of ISO/IEC 7812-1: every second digit from the right is doubled, and all add up to tens. */
function hasCheckDigit(number: string): boolean {
  const digits = number.replaceAll(/\D/g, "");
  let sum = 0;
  for (let index = 0; index < digits.length; index += 1) {
    const digit = Number(digits[digits.length - 1 - index]);
    const doubled = digit * 2;
    sum += index % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}
