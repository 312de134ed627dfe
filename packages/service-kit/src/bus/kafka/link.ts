import {
  type Admin,
  type BaseOptions,
  type ClusterMetadata,
  type fetchV17,
  type heartbeatV4,
  type joinGroupV9,
  kGetApi,
  type leaveGroupV5,
  type offsetCommitV9,
  type offsetFetchV9,
  type syncGroupV5,
} from "@platformatic/kafka";
import { BoundedClient } from "./bounded.ts";
import { connectAdmin, connectMs } from "./client.ts";

/** The requests that are made here by themselves, in the newest form that the client knows. */
interface Requests {
  readonly Fetch: typeof fetchV17.api;
  readonly JoinGroup: typeof joinGroupV9.api;
  readonly SyncGroup: typeof syncGroupV5.api;
  readonly Heartbeat: typeof heartbeatV4.api;
  readonly LeaveGroup: typeof leaveGroupV5.api;
  readonly OffsetCommit: typeof offsetCommitV9.api;
  readonly OffsetFetch: typeof offsetFetchV9.api;
}

type Arguments<Name extends keyof Requests> =
  Parameters<Requests[Name]["async"]> extends [unknown, ...infer Rest] ? Rest : never;
type Answer<Name extends keyof Requests> = Awaited<ReturnType<Requests[Name]["async"]>>;

interface Broker {
  readonly host: string;
  readonly port: number;
}

const groupKey = 0;

/**
 * Connections to the brokers, one each. Kafka answers the requests of a connection one after the other, so
 * whatever waits in a request has a link of its own.
 */
export class KafkaLink {
  readonly #client: BoundedClient<Admin>;
  readonly #limitMs: number;
  readonly #coordinators = new Map<string, Broker>();

  constructor(options: BaseOptions, requestMs = 8_000) {
    this.#client = new BoundedClient(() => connectAdmin(options, requestMs));
    // A connection may have to be made first.
    this.#limitMs = requestMs + connectMs;
  }

  /** Asks what the client has a request for. */
  ask<T>(request: (admin: Admin) => Promise<T>): Promise<T> {
    return this.#client.run(this.#limitMs, request);
  }

  /** What the cluster says of these topics; it may be some seconds old unless it is asked for anew. */
  metadata(topics: readonly string[], isNew = false): Promise<ClusterMetadata> {
    return this.ask((admin) => admin.metadata({ topics: [...topics], forceUpdate: isNew }));
  }

  /** Sends a request to one broker. */
  call<Name extends keyof Requests>(
    name: Name,
    broker: Broker | undefined,
    ...args: Arguments<Name>
  ): Promise<Answer<Name>> {
    return this.ask(async (admin): Promise<Answer<Name>> => {
      const api = await form(admin, name);
      // The pool refuses a broker that is not known with an error that passes.
      const connection = await admin.connections.get(broker as Broker);
      // The arguments are those of the same request; the compiler does not follow them through the name.
      const request = api.async as (...all: unknown[]) => Promise<Answer<Name>>;
      return request(connection, ...args);
    });
  }

  /** Sends a request to the broker that coordinates the group. */
  async callCoordinator<Name extends keyof Requests>(
    name: Name,
    group: string,
    ...args: Arguments<Name>
  ): Promise<Answer<Name>> {
    const broker = this.#coordinators.get(group) ?? (await this.#findCoordinator(group));
    try {
      return await this.call(name, broker, ...args);
    } catch (error) {
      // Whatever it was, another broker may coordinate the group now, and to ask costs little.
      this.#coordinators.delete(group);
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #findCoordinator(group: string): Promise<Broker> {
    const [found] = await this.ask((admin) => admin.findCoordinator({ keyType: groupKey, keys: [group] }));
    if (found === undefined) throw new Error(`Kafka names no coordinator for the group ${group}`);
    this.#coordinators.set(group, found);
    return found;
  }
}

/** A request in the newest form that client and broker both know; later ones add fields at the end. */
function form<Name extends keyof Requests>(admin: Admin, name: Name): Promise<Requests[Name]> {
  return new Promise((resolve, reject) => {
    admin[kGetApi](name, (error, api) => {
      if (error !== null || api === undefined) reject(error);
      // Each name has one kind of request, which the client's own types do not tell.
      else resolve(api as unknown as Requests[Name]);
    });
  });
}
