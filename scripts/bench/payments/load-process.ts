import { runOrder } from "../load/http-load.ts";
import { type PaymentRequests, paymentRequests } from "./requests.ts";

// Whoever starts this program says what it is to send.
if (import.meta.main) await runOrder((content) => paymentRequests(content as PaymentRequests));
