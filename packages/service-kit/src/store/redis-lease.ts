/*
 * Leases in Redis: a text "fence end holder", its end in milliseconds of Redis's own clock. A fence is at
 * least the time of the take-over, so that it differs from those before a loss of Redis's data.
 */

/** A lease lasts six of the rounds in which it is extended; a killed replica's work is free after it. */
export const leaseRoundMs = 500;
export const leaseMs = 3_000;

/** Lua functions that read and write a lease's text, for scripts that keep it in a key or a hash's field. */
export const leaseFunctions = `
  local function clock()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
  end
  local function readLease(value)
    if not value then return 0, 0, '' end
    local fence, ends, holder = string.match(value, '^(%d+) (%d+) (.*)$')
    return tonumber(fence), tonumber(ends), holder
  end
  local function leaseText(fence, ends, holder)
    return string.format('%d %d %s', fence, ends, holder)
  end`;
