import { createSessionCollections } from '@org/session-db'

const db = createSessionCollections({
  electricUrl: '/api/shapes',
  writeAdapter: () => Promise.reject(new Error('offline')),
})
document.body.textContent = db.session('s1').messages.id
