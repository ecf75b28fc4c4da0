export { gaugeOf, startStack, type Stack, type StackOptions } from "../system/stack.ts";
