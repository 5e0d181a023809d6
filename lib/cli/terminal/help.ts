import { Help, type HelpConfiguration } from 'commander'

/** Width of the column of flags. A longer flag gets a line of its own, so that all descriptions keep their width. */
const MAX_TERM_WIDTH = 30

const { padWidth, formatItem } = Help.prototype

/** Layout of the help of every command. */
export const HELP: HelpConfiguration = {
  padWidth(command, helper) {
    return Math.min(padWidth.call(helper, command, helper), MAX_TERM_WIDTH)
  },
  formatItem(term, termWidth, description, helper) {
    const item = (shown: string) => formatItem.call(helper, shown, termWidth, description, helper)
    return helper.displayWidth(term) <= termWidth ? item(term) : `  ${term}\n${item('')}`
  },
}
