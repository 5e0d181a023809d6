import { Help, type HelpConfiguration } from 'commander'

/** Most columns for flags and names. A longer one gets a line of its own, so that all descriptions keep their width. */
const MAX_TERM_WIDTH = 30

/** Columns between the beginning of a line and its description, beside those of the flag. */
const SPACES = 4

const { padWidth, formatItem } = Help.prototype

/** Layout of the help of every command. */
export const HELP: HelpConfiguration = {
  // The parser would not wrap to less than 40 columns, which a narrow terminal leaves to a description.
  minWidthToWrap: 1,
  padWidth(command, helper) {
    const half = Math.floor((helper.helpWidth as number) / 2) - SPACES
    return Math.max(1, Math.min(padWidth.call(helper, command, helper), MAX_TERM_WIDTH, half))
  },
  formatItem(term, termWidth, description, helper) {
    const item = (shown: string) => formatItem.call(helper, shown, termWidth, description, helper)
    return helper.displayWidth(term) <= termWidth ? item(term) : `  ${term}\n${item('')}`
  },
}
