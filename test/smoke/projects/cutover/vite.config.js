import { legacySnapshotGuard } from '@org/session-db/vite'
import { defineConfig } from 'vite'

export default defineConfig({ plugins: [legacySnapshotGuard()] })
