/**
 * Current ISO 4217 currencies and the digits after the point of each (List One of the maintenance agency;
 * funds, metals and test codes left out).
 */
export const currencies: ReadonlyMap<string, number> = new Map(
  Object.entries({
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: `AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY
      COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR
      ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
      MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP
      SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER
      ZAR ZMW ZWG`,
    3: "BHD IQD JOD KWD LYD OMR TND",
  })
    .flatMap(([digits, codes]) => codes.split(/\s+/).map((code) => [code, Number(digits)] as const))
    .sort(([left], [right]) => (left < right ? -1 : 1)),
);

/** Whether the text is a current ISO 4217 code in upper case. */
export function isCurrency(code: string): boolean {
  return currencies.has(code);
}

/** Digits after the point, such as 2 for EUR and 0 for JPY; throws for a code that is not current. */
function currencyDigits(code: string): number {
  const digits = currencies.get(code);
  if (digits === undefined) throw new Error(`${code} is not a current ISO 4217 currency`);
  return digits;
}

/** An amount in minor units as people read it, such as `₹1,234.50`; exact for amounts beyond 2^53 too. */
export function displayAmount(amountMinor: number | bigint, currency: string): string {
  const digits = currencyDigits(currency);
  const format = new Intl.NumberFormat("en", {
    style: "currency",
    currency,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  const sign = BigInt(amountMinor) < 0n ? "-" : "";
  const units = (sign === "" ? BigInt(amountMinor) : -BigInt(amountMinor))
    .toString()
    .padStart(digits + 1, "0");
  const split = units.length - digits;
  const decimal = digits === 0 ? `${sign}${units}` : `${sign}${units.slice(0, split)}.${units.slice(split)}`;
  // A decimal text keeps every digit; TypeScript's type of `format` knows numeric literals only.
  return format.format(decimal as `${number}`);
}
