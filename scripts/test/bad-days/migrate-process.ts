import { migrate } from "@payflow/service-kit/store/database.ts";

/** A process of its own that migrates one database, as a starting replica's does: `URL FOLDER`. */
const [url = "", folder = ""] = process.argv.slice(2);
await migrate(url, folder);
