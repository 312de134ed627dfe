/** What a delivery's state is to its tenant. */
export const deliveryStatuses = ["pending", "sending", "delivered", "failed", "canceled"] as const;
export type DeliveryStatus = (typeof deliveryStatuses)[number];
