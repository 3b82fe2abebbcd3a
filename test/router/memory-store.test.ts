import { MemoryStore } from '../../router/index.js';
import { sessionStoreContract } from '../contracts/session-store.js';

sessionStoreContract('memory', () => new MemoryStore());
