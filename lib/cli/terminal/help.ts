import { Help, type HelpConfiguration } from 'commander'

/** A longer flag stands on a line of its own, so that the descriptions of all keep their room. */
const MAX_TERM_WIDTH = 30

const { padWidth, formatItem } = Help.prototype

/** How the help of every command is laid out. */
export const HELP: HelpConfiguration = {
  padWidth(command, helper) {
    return Math.min(padWidth.call(helper, command, helper), MAX_TERM_WIDTH)
  },
  formatItem(term, termWidth, description, helper) {
    const item = (shown: string) => formatItem.call(helper, shown, termWidth, description, helper)
    return helper.displayWidth(term) <= termWidth ? item(term) : `  ${term}\n${item('')}`
  },
}
