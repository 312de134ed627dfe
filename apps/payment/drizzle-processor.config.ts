import { defineConfig } from "drizzle-kit";

/** The simulated processor's own database. */
export default defineConfig({
  dialect: "postgresql",
  schema: "./src/processor/simulated.schema.ts",
  out: "./migrations-processor",
});
