/** Thrown when a command cannot do its work, such as open a file. main() prints the message and exits with 1. */
export class CommandFailure extends Error {}
