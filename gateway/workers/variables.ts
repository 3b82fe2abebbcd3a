/** Variables that the supervisor puts into a worker's environment; not settings. */

/** The number of the worker, from 1. */
export const workerVariable = 'ENCKE_WORKER';
/** A random text, the same for all workers of one supervisor. */
export const workerGroupVariable = 'ENCKE_WORKER_GROUP';
