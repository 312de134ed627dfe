/* Lua that several of our scripts begin with. */

/** `field(list, name)`: a value of what Redis answers as names and values in turn. */
export const fieldFunction = `
  local function field(list, name)
    for i = 1, #list, 2 do if list[i] == name then return list[i + 1] end end
  end`;

/** `before(a, b)`: whether an entry's id precedes another in its stream. */
export const orderFunctions = `
  local function before(a, b)
    local ams, aseq = string.match(a, '^(%d+)-(%d+)$')
    local bms, bseq = string.match(b, '^(%d+)-(%d+)$')
    if ams ~= bms then return tonumber(ams) < tonumber(bms) end
    return tonumber(aseq) < tonumber(bseq)
  end`;
