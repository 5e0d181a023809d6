/** A command could not do its work. The message is all that there is to say; the exit code is 1. */
export class CommandFailure extends Error {}
