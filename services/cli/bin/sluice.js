#!/usr/bin/env node
throw new Error("The sluice command is not written yet.");
