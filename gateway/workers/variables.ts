/** Variables that the supervisor puts into a worker's environment; not settings. */

/** Its number, from 1. */
export const workerVariable = 'ENCKE_WORKER';
/** The same random text for all workers of one supervisor. */
export const workerGroupVariable = 'ENCKE_WORKER_GROUP';
